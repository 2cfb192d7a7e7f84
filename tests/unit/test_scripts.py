"""`scripts/test` fails if anything fails, says what, and ends with a sum that a machine can read."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from synthetic.session import wait_until
from tests.unit.programs import program

ROOT = Path(__file__).parents[2]
WAIT_S = 60
PYTEST = """#!/bin/sh
echo "$*" >> asked
case "$*" in
    *" --cov "*) exit "${COVERAGE_STATUS:-0}" ;;
    *"--ignore=tests/e2e "*) echo "$PARTS"; exit "${PARTS_STATUS:-0}" ;;
    *) echo "$WHOLE"; exit "${WHOLE_STATUS:-0}" ;;
esac
"""
PASSED = {"PARTS": "20 passed, 4 skipped in 9.10s", "WHOLE": "7 passed, 2 skipped in 5.00s"}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for script in ("test", "lint", "coverage"):
        shutil.copy(ROOT / "scripts" / script, tmp_path / "scripts" / script)
    program(tmp_path / ".venv/bin/python", PYTEST)
    for linter in ("ruff", "mypy", "lint-imports", "vulture", "deptry"):
        program(tmp_path / ".venv/bin" / linter, f'#!/bin/sh\n[ "$BROKEN" != {linter} ]\n')
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", **PASSED, **environment}
        command = [str(checkout / "scripts/test"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)

    return run


def test_all_of_it_is_run_and_summed_up_in_the_last_line(run: Run, checkout: Path) -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    assert last.startswith("27 passed, 6 skipped in ")
    asked = (checkout / "asked").read_text().splitlines()
    assert sorted(line.split("--durations=10 ")[1] for line in asked if "--cov" not in line) == [
        "--ignore=tests/e2e --numprocesses 3 --dist loadfile --no-loadscope-reorder --timeout 1200",
        "tests/e2e",
    ]
    assert [line.split(" --")[0] for line in asked if "--cov" in line] == [
        "-m pytest -q tests/unit/core tests/unit/evaluation tests/unit/imaging"
    ]


def test_less_covered_than_the_floor_fails_it(run: Run) -> None:
    done = run(COVERAGE_STATUS="1")
    assert done.returncode == 1
    assert "failed: linters, types" in done.stdout


@pytest.mark.parametrize("linter", ["ruff", "mypy", "lint-imports", "vulture", "deptry"])
def test_a_linter_that_fails_fails_it_and_the_tests_run_all_the_same(run: Run, linter: str) -> None:
    done = run(BROKEN=linter)
    assert done.returncode == 1
    assert "failed: linters, types" in done.stdout
    assert "20 passed" in done.stdout


@pytest.mark.parametrize("group", ["PARTS", "WHOLE"])
def test_a_test_that_fails_fails_it(run: Run, group: str) -> None:
    done = run(**{group: "1 failed, 19 passed in 9.10s", f"{group}_STATUS": "1"})
    assert done.returncode == 1
    assert "1 failed, " in done.stdout.splitlines()[-1]


def test_what_dies_without_a_word_fails_it(run: Run) -> None:
    assert run(WHOLE="", WHOLE_STATUS="139").returncode == 1


def test_with_arguments_they_go_to_pytest(run: Run, checkout: Path) -> None:
    assert run("tests/unit", "-x").returncode == 0
    assert (checkout / "asked").read_text() == "-m pytest tests/unit -x\n"
    assert run("tests/unit", BROKEN="ruff").returncode == 1


def test_ctrl_c_ends_all_of_it(checkout: Path) -> None:
    # Like pytest, it takes the signal, says so and exits.
    waiting = '#!/bin/sh\ntrap "echo ended; exit 2" INT\necho "$*" >> asked\nwhile :; do sleep 0.1; done\n'
    program(checkout / ".venv/bin/python", waiting)
    environment = {"PATH": "/usr/bin:/bin"}
    # A shell can't trap what it was started deaf to, as anything behind `nohup ... &` is.
    command = ["/usr/bin/env", "--default-signal=INT", str(checkout / "scripts/test")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as script:
        asked = checkout / "asked"
        wait_until(lambda: asked.exists() and len(asked.read_text().splitlines()) == 2, WAIT_S, "both groups")
        script.send_signal(signal.SIGINT)
        out, _ = script.communicate(timeout=WAIT_S)
    assert script.returncode == 130
    assert out.count("ended") == 2
    assert len(asked.read_text().splitlines()) == 2, "none is begun after it"


@pytest.mark.parametrize(
    ("broken", "asked"), [("", "-m pytest tests/unit --numprocesses 2 --dist loadfile\n"), ("mypy", "")]
)
def test_make_check_runs_the_linters_then_the_unit_tests(checkout: Path, broken: str, asked: str) -> None:
    shutil.copy(ROOT / "Makefile", checkout / "Makefile")
    program(checkout / "scripts/setup", '#!/bin/sh\n[ "$*" = --dev ]\n')
    environment = {"PATH": "/usr/bin:/bin", "BROKEN": broken}
    done = subprocess.run(
        ["make", "-C", checkout, "check"], env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    seen = checkout / "asked"
    assert (done.returncode == 0) == (broken == ""), done.stderr
    assert (seen.read_text() if seen.exists() else "") == asked


@pytest.mark.parametrize("linter", ["", "ruff", "mypy", "lint-imports", "vulture", "deptry"])
def test_a_commit_that_a_linter_refuses_is_refused(checkout: Path, linter: str) -> None:
    shutil.copytree(ROOT / "hooks", checkout / "hooks")

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(checkout), "BROKEN": linter}
        who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        command = ["git", *who, "-C", str(checkout), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)

    assert git("init").returncode == 0
    assert git("config", "core.hooksPath", "hooks").returncode == 0
    assert git("commit", "--allow-empty", "--message", "x").returncode == (1 if linter else 0)
    assert git("rev-parse", "HEAD").returncode == (128 if linter else 0)


def test_linters_that_are_not_installed_say_how(checkout: Path) -> None:
    (checkout / ".venv/bin/ruff").unlink()
    done = subprocess.run([checkout / "scripts/lint"], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1
    assert "make setup-dev" in done.stderr
