"""Functions shared by all figures: files, arrays and colours."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_sybio.visualization.figures import checked, ink_on, new_figure, save_figure, to_numpy
from pyg_sybio.visualization.theme import PALETTE


def test_saving_replaces_the_file_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("old")
    save_figure(new_figure(2, 1), path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    path.write_text("old")
    figure = new_figure(2, 1)

    def fail(stream: object, **options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="no space left"):
        save_figure(figure, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_saving_into_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"absent: no such folder; expected one in which to write a\.png"
    ):
        save_figure(new_figure(2, 1), tmp_path / "absent" / "a.png")


def test_to_numpy_accepts_tensors_that_need_gradients() -> None:
    tensor = torch.ones(2, 3, requires_grad=True)
    np.testing.assert_array_equal(to_numpy(tensor), np.ones((2, 3)))
    assert to_numpy([1, 2]).dtype == np.float64


def test_errors_name_the_shape() -> None:
    checked("x", np.zeros((5, 3)), ["T", 3])
    with pytest.raises(ValueError, match=r"'x' has shape \[5, 3\], expected \[T, 4\]"):
        checked("x", np.zeros((5, 3)), ["T", 4])
    with pytest.raises(ValueError, match=r"'x' has shape \[5\], expected \[T, 3\]"):
        checked("x", np.zeros(5), ["T", 3])


def test_ink_contrasts_with_every_colour_of_the_palette() -> None:
    def luminance(color: str) -> float:
        channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for color in PALETTE:
        dark, light = sorted((luminance(color), luminance(ink_on(color))))
        assert (light + 0.05) / (dark + 0.05) > 3  # the WCAG minimum for large text


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a", b"\x89PNG")])
def test_the_suffix_selects_the_file_type(name: str, start: bytes, tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        figure = new_figure(2, 1)
        figure.text(0.5, 0.5, "text")
        save_figure(figure, tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0].startswith(start)
    assert written[0] == written[1]


def test_an_unknown_file_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.jpeg' is not a picture, expected .* \.png, \.svg or \.pdf"):
        save_figure(new_figure(2, 1), tmp_path / "a.jpeg")
    assert not list(tmp_path.iterdir())


def test_skeletons_and_graphs_do_not_import_matplotlib_and_drawing_does_not_use_pyplot() -> None:
    code = """
import sys
import pyg_sybio.skeleton, pyg_sybio.graphs
assert "matplotlib" not in sys.modules
import pyg_sybio.visualization.skeleton_figure
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
