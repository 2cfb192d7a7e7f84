"""Each test bears the mark of its folder, so that `-m` chooses a tier."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LONGEST, TESTS

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TIERS = ("unit", "adapters", "services", "e2e")
WAIT_S = 120


def test_a_test_of_this_folder_is_a_unit_test(request: pytest.FixtureRequest) -> None:
    assert [name for name in TIERS if request.node.get_closest_marker(name)] == ["unit"]


@pytest.mark.parametrize("chosen", [("unit", "e2e"), ("adapters", "services")])
def test_marks_choose_the_tests_of_their_folders(tmp_path: Path, chosen: tuple[str, str]) -> None:
    done = collect(tmp_path, TIERS, "-m", " or ".join(chosen))
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    found = {line for line in done.stdout.splitlines() if "::" in line}
    assert found == {f"tests/{tier}/deep/test_one.py::test_one" for tier in chosen}


def test_a_test_outside_the_tiers_is_refused(tmp_path: Path) -> None:
    done = collect(tmp_path, ("odd",))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_one.py is of no tier" in done.stderr


def collect(root: Path, folders: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Collect one test in each of these folders, marked by our conftest."""
    for folder in folders:
        (root / "tests" / folder / "deep").mkdir(parents=True)
        (root / "tests" / folder / "deep" / "test_one.py").write_text("def test_one() -> None:\n    assert True\n")
    (root / "tests/conftest.py").write_text(CONFTEST.read_text())
    marks = "".join(f"    {tier}: a tier\n" for tier in TIERS)
    (root / "pytest.ini").write_text(
        f"[pytest]\naddopts = --strict-markers --import-mode=importlib\nmarkers =\n{marks}"
    )
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments, "tests"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_the_files_that_begin_first_are_there() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
