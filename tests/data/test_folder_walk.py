"""Files below a folder, including linked folders."""

from pathlib import Path

from pyg_sybio.data.folder_walk import paths_below


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_paths_equal_a_search_without_links(tmp_path: Path) -> None:
    for name in ("b/1", "b.txt", "a/c/2", "a/3", "é/4", ".hidden/5"):
        _file(tmp_path / name)
    (tmp_path / "empty").mkdir()
    expected = sorted(tmp_path.rglob("*"), key=lambda path: path.relative_to(tmp_path).as_posix())
    assert paths_below(tmp_path) == expected and len(expected) == 12


def test_links_are_followed_and_cycles_end(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _file(root / "own" / "1")
    _file(tmp_path / "elsewhere" / "deep" / "2")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "own" / "up").symlink_to(root)
    (root / "twice").symlink_to(root / "own")
    (root / "broken").symlink_to(tmp_path / "nowhere")
    files = [path.relative_to(root).as_posix() for path in paths_below(root) if path.is_file()]
    assert files == ["linked/deep/2", "own/1"]


def test_a_root_that_is_a_link_keeps_its_name(tmp_path: Path) -> None:
    _file(tmp_path / "real" / "1")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert paths_below(tmp_path / "link") == [tmp_path / "link" / "1"]
