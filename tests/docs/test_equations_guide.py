"""docs/equations.md: its names, tests, settings and parameter counts agree with the code."""

import ast
import contextlib
import inspect
import io
import math
import re
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import yaml

from pyg_sybio.models.presets import PRESETS, VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.training.data_module import ClipDataModule
from pyg_sybio.training.module import SybioModule

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "equations.md"
LINK = re.compile(r"\[`([^`]+)`\]\(([^)]+)\)")
TEXT = GUIDE.read_text(encoding="utf-8")
INDEX, *SECTIONS = re.split(r"(?m)^## ", TEXT)
LABELS = ("paper", "added", "interpretation")


def cells_of(text: str) -> list[list[str]]:
    """The cells of the rows of all tables, without separator rows."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|-")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


class Row(NamedTuple):
    """A row that compares the code with the paper."""

    section: str
    label: str
    code: list[tuple[str, str]]
    tests: list[tuple[str, str]]


COMPARED = [
    Row(section.splitlines()[0], cells[0], LINK.findall(cells[2]), LINK.findall(cells[3]))
    for section in SECTIONS
    for cells in cells_of(section)
    if cells[0] in LABELS
]
# Equations of the paper, and the name and file of a class that computes them.
COMPUTED = [(row[0], *link) for row in cells_of(INDEX) if "Eq." in row[0] for link in LINK.findall(row[2])]


def section(title: str) -> str:
    """The only section whose heading begins with a title."""
    (found,) = [each for each in SECTIONS if each.startswith(title)]
    return found


def names_of(path: Path) -> set[str]:
    """The names that a module defines, and the methods of its classes as ``Class.method``."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize(("name", "target"), sorted(set(LINK.findall(TEXT))))
def test_names_are_in_the_files_given_by_the_guide(name: str, target: str) -> None:
    path = (GUIDE.parent / target).resolve()
    assert path.is_file()
    assert path.as_posix().endswith(name) if "/" in name else name in names_of(path)


def test_every_equation_is_in_the_guide() -> None:
    listed = [int(number) for row in cells_of(INDEX) for number in re.findall(r"Eq\. (\d+)", row[0])]
    assert listed == list(range(1, 13))
    assert any("Theorem 1" in row[0] for row in cells_of(INDEX))


def test_the_index_links_to_sections() -> None:
    def anchor(heading: str) -> str:
        return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")

    headings = {anchor(each.splitlines()[0]): each.splitlines()[0] for each in SECTIONS}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= set(headings)
    for row in cells_of(INDEX)[1:]:
        [(name, target)] = re.findall(r"\[([^]]+)\]\(#([^)]+)\)", row[0])
        numbers = set(re.findall(r"\d+", name))
        assert numbers <= set(re.findall(r"\d+", headings[target])), f"{name} is not about {headings[target]}"


@pytest.mark.parametrize(("equations", "name", "target"), COMPUTED)
def test_docstrings_name_their_equation(equations: str, name: str, target: str) -> None:
    tree = ast.parse((GUIDE.parent / target).read_text(encoding="utf-8"))
    (node,) = [node for node in tree.body if getattr(node, "name", None) == name]
    assert isinstance(node, ast.ClassDef)
    stated = ast.get_docstring(node) or ""
    for number in re.findall(r"Eq\. (\d+)", equations):
        assert re.search(rf"Eq\. (\d+ and )?{number}\b", stated), f"{name} does not name Eq. {number}"


def test_rows_link_code_and_tests() -> None:
    assert {row.label for row in COMPARED} == set(LABELS)
    for row in COMPARED:
        assert row.code and all("/pyg_sybio/" in target for _, target in row.code), row
        assert row.tests or row.label == "interpretation", row
        assert all("/tests/" in target for _, target in row.tests), row


# Sizes ------------------------------------------------------------------------------------------------------

SIZES = cells_of(section("§6.1.2"))
ARGUMENTS = {cells[0].split("`")[1]: cells[2:] for cells in SIZES if cells[0].startswith("`")}


def stated(cell: str) -> Any:
    """The value that a cell states."""
    if root := re.fullmatch(r"\$1/\\sqrt\{(\d+)\}\$", cell):
        return 1 / math.sqrt(int(root[1]))
    values = [yaml.safe_load(value) for value in cell.split(", ")]
    return values[0] if len(values) == 1 else tuple(values)


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_sizes_equal_the_presets(argument: str) -> None:
    default = inspect.signature(SybioGNN).parameters[argument].default
    for preset, cell in zip(("ntu", "mocap"), ARGUMENTS[argument], strict=True):
        value = PRESETS[preset].get(argument, default)
        if argument == "actional_scale" and value is None:
            model = SybioGNN.from_preset(
                preset, skeleton=load_skeleton("jhmdb15"), num_classes=2, num_future=1, bones=False
            )
            value = model.joint_network.actional_graph.scale
        assert value == (pytest.approx(stated(cell)) if isinstance(value, float) else stated(cell))


def test_sizes_list_every_argument_of_the_presets() -> None:
    assert PRESETS["ntu"].keys() | PRESETS["mocap"].keys() <= ARGUMENTS.keys()


def defaults() -> dict[str, Any]:
    """The default of each argument of the model, the Lightning module and the data module."""
    signatures = [inspect.signature(each).parameters for each in (ClipDataModule, SybioModule, SybioGNN)]
    return {name: each.default for parameters in signatures for name, each in parameters.items()}


@pytest.mark.parametrize("row", cells_of(section("Options"))[1:], ids=lambda row: row[1])
def test_options_that_are_not_in_the_paper_are_off_by_default(row: list[str]) -> None:
    assert str(defaults()[row[1].strip("`")]) == row[2].strip("`")


def test_arguments_in_the_text_exist() -> None:
    set_to = re.findall(r"`(\w+): \w+`", TEXT)
    assert len(set_to) >= 2
    assert set(set_to) <= defaults().keys()


# Parameter counts -------------------------------------------------------------------------------------------

COUNTS = section("Parameter counts")
TABLE = cells_of(COUNTS)[1:]
PAPER = yaml.safe_load((ROOT / "pyg_sybio" / "experiments" / "paper.yaml").read_text(encoding="utf-8"))
NAMES = {
    "Only J-S": "only structural",
    "Only J-A": "only actional",
    "Only P": "only parts",
    "No bone": "no bones",
    "No pred": "no prediction",
    "Sybio-GNN": "full",
}


@pytest.fixture(scope="module")
def printed() -> dict[str, list[str]]:
    """The output of the command in the guide, by row of the table."""
    (code,) = re.findall(r"python - <<'EOF'\n(.*?)\nEOF\n", COUNTS, flags=re.DOTALL)
    # Random weights are not needed to count them.
    with mock.patch("torch.nn.init.kaiming_uniform_"), contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "equations.md", "exec"), {})
    labels = {variant: name for name, variant in NAMES.items()}
    tables = {"60": "Table 1", "400": "Table 2"}
    lines = re.findall(r"(?m)^(.+), (\d+) classes: (.+)$", out.getvalue())
    return {f"{tables[classes]}, {labels[variant]}": counts.split() for variant, classes, counts in lines}


def test_counts_equal_the_output_of_the_command(printed: dict[str, list[str]]) -> None:
    assert set(NAMES.values()) <= VARIANTS.keys()
    assert {row[0]: [cell.strip("*") for cell in row[2:]] for row in TABLE} == printed


def test_bold_counts_are_within_five_percent_of_the_paper(printed: dict[str, list[str]]) -> None:
    bold = 0
    for name, paper, *counts in TABLE:
        assert float(paper) == PAPER["variants_parameters"]["NTU RGB+D"][NAMES[name.split(", ")[1]]]
        near = [abs(float(count) / float(paper) - 1) <= 0.05 for count in printed[name]]
        assert [cell.startswith("**") for cell in counts] == near, name
        bold += any(near)
    assert bold == 2
    assert len(TABLE) == 8
    assert "two of eight counts are within 5 %" in INDEX


def test_conclusions_follow_from_the_counts(printed: dict[str, list[str]]) -> None:
    paper = {name: float(count) for name, count, *_ in TABLE}

    def between(column: int, rows: list[str]) -> str:
        ratios = [float(printed[row][column]) / paper[row] for row in rows]
        return " to ".join(dict.fromkeys([f"{min(ratios):.1f}", f"{max(ratios):.1f}"]))

    text, rows = " ".join(COUNTS.split()), list(paper)
    assert f"a variant has {between(2, rows)} times the paper's count" in text
    assert f"one of its two networks has {between(3, rows)} times" in text
    assert f"have {between(0, ['Table 1, Only J-A', 'Table 1, Only P'])} times the paper's counts" in text
    assert paper["Table 1, Only J-S"] > paper["Table 1, No bone"]
    heads = paper["Table 1, Sybio-GNN"] - paper["Table 1, No pred"]
    more = (
        f'{heads:.2f} million parameters more than "No pred", which is {heads / 2:.1f} million per prediction'
    )
    assert more in text
    model = SybioGNN.from_preset(
        "ntu", skeleton=load_skeleton("ntu25"), num_classes=60, num_future=10, bones=False
    )
    head = sum(parameter.numel() for parameter in model.joint_network.prediction_head.parameters())
    assert f"our prediction head has {head / 1e6:.2f} million parameters." in text
