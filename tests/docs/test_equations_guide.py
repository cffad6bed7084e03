"""The table in docs/equations.md: it lists every equation, and its names exist in the given files."""

import ast
import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "equations.md"
LINK = re.compile(r"\[`([^`]+)`\]\(([^)]+)\)")
TEXT = GUIDE.read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in TEXT.splitlines() if line.startswith("|")]
# A part of the paper, and the name and file of the class that computes it.
COMPUTED = [(row[0], *link) for row in ROWS if "Eq." in row[0] for link in LINK.findall(row[2])]


def names_of(path: Path) -> set[str]:
    """The names defined at the top level of a module."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize(("name", "target"), LINK.findall(TEXT))
def test_names_are_in_the_files_given_by_the_guide(name: str, target: str) -> None:
    path = (GUIDE.parent / target).resolve()
    assert path.is_file()
    assert path.as_posix().endswith(name) if "/" in name else name in names_of(path)


def test_every_equation_is_in_the_guide() -> None:
    there = [int(number) for row in ROWS for number in re.findall(r"Eq\. (\d+)", row[0])]
    assert there == list(range(1, 13))
    assert any("Theorem 1" in row[0] for row in ROWS)


@pytest.mark.parametrize(("equations", "name", "target"), COMPUTED)
def test_docstrings_name_their_equation(equations: str, name: str, target: str) -> None:
    tree = ast.parse((GUIDE.parent / target).read_text(encoding="utf-8"))
    (node,) = [node for node in tree.body if getattr(node, "name", None) == name]
    assert isinstance(node, ast.ClassDef)
    stated = ast.get_docstring(node) or ""
    for number in re.findall(r"Eq\. (\d+)", equations):
        assert re.search(rf"Eq\. (\d+ and )?{number}\b", stated), f"{name} does not name Eq. {number}"
