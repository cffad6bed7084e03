"""The structure of the package: one direction of imports, a small root, and short files."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "pyg_sybio"

# A module imports only from its own level and from earlier levels.
LEVELS = (
    "__init__ arguments files kinematics rotations skeleton",
    "data graphs metrics",
    "nn",
    "losses models testing",
    "accelerate",
    "export streaming trained",
    "visualization",
    "training",
    "experiments serving",
    "__main__ cli demo",
)
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts.split()}

# These functions are shortcuts to higher levels, and import them when they are called.
SHORTCUTS = {
    "pyg_sybio": {"__getattr__"},
    "pyg_sybio.models.sybio_gnn": {"folded", "stream", "from_pretrained"},
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def nodes_of(node: ast.AST, shortcuts: set[str]) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.FunctionDef) and child.name in shortcuts):
            yield child
            yield from nodes_of(child, shortcuts)


def imported(module: str) -> set[str]:
    """The modules of the package that a module imports at its top level and in its functions."""
    found: set[str] = set()
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in nodes_of(tree, SHORTCUTS.get(module, set())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= submodules or {node.module}
    return found & MODULES.keys()


def level(module: str) -> int:
    return LEVEL[[*module.split("."), "__init__"][1]]


def test_there_are_no_circular_imports() -> None:
    TopologicalSorter({module: imported(module) for module in MODULES}).prepare()


def test_modules_import_only_from_their_own_and_lower_levels() -> None:
    imports = [(module, other) for module in MODULES for other in sorted(imported(module))]
    assert [f"{one} imports {other}" for one, other in imports if level(other) > level(one)] == []


def test_there_are_no_type_checking_imports() -> None:
    assert [module for module, path in MODULES.items() if "TYPE_CHECKING" in path.read_text("utf-8")] == []


def test_the_package_root_has_few_files() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_no_file_exceeds_the_line_limit() -> None:
    paths = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "benchmarks").rglob("*.py")]
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in paths}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_files_contain_no_local_paths_and_no_todo_comments() -> None:
    private = re.compile(r"/(work|root|home/(?!me\b))\b|\b(TODO|FIXME|XXX)\b|\bissue #?\d")
    top = PACKAGE.parent
    paths = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.yaml"), *top.glob("docs/*.md"), *top.glob("*.md")]
    found = [(path.name, private.search(path.read_text("utf-8"))) for path in paths]
    assert [(name, match[0]) for name, match in found if match] == []
