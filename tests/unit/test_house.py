"""The house keeps its order: short files, short functions, no circle of imports."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("mosaicast", "services", "synthetic", "bench")
MOST_LINES, MOST_OF_A_FUNCTION = 400, 40


def files() -> Iterator[Path]:
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.Module, known: set[str]) -> set[str]:
    """Return the modules of ours that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & known) or ({node.module} & known)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known
    return found


def test_no_file_is_too_long() -> None:
    assert {
        str(path)
        for path in (*files(), *(ROOT / "tests").rglob("*.py"))
        if len(path.read_text().splitlines()) > MOST_LINES
    } == set()


def test_no_function_is_too_long() -> None:
    functions = (
        (path, node)
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    long = {f"{path}:{one.name}" for path, one in functions if (one.end_lineno or 0) - one.lineno >= MOST_OF_A_FUNCTION}
    assert long == set()


def test_imports_make_no_circle() -> None:
    known = {module(path): path for path in files()}
    sorter = TopologicalSorter(
        {name: imported(ast.parse(path.read_text()), set(known)) - {name} for name, path in known.items()}
    )
    try:
        sorter.prepare()
    except CycleError as exc:
        pytest.fail(" <- ".join(exc.args[1]))
