"""Rules of the linter that guard a promise: that they bite."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def complaints(code: str, name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", f"--stdin-filename={name}", "-"],
        input=code, cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("name", ["mosaicast/adapters/x.py", "services/api/x.py", "bench/x.py", "tests/unit/x.py"])
@pytest.mark.parametrize("call", ['VideoCapture("x")', 'imread("x")', 'imreadmulti("x")'])
def test_opencv_may_open_no_file(name: str, call: str) -> None:
    assert "TID251" in complaints(f'"""A module."""\n\nimport cv2\n\nPICTURE = cv2.{call}\n', name)


def test_what_is_allowed_is_not_complained_about() -> None:
    code = '"""A module."""\n\nimport cv2\n\nPICTURE = cv2.imdecode(b"", cv2.IMREAD_COLOR)\n'
    assert "TID251" not in complaints(code, "mosaicast/adapters/x.py")


CLOCKS_AND_LOGS = (
    "import time\n\nNOW_S = time.monotonic()",
    "import time\n\ntime.sleep(1)",
    "from time import time_ns\n\nNOW = time_ns()",
    "import logging\n\nLOG = logging.getLogger()",
    "from logging.handlers import SysLogHandler\n\nLOG = SysLogHandler()",
)


@pytest.mark.parametrize("code", CLOCKS_AND_LOGS)
@pytest.mark.parametrize(
    ("name", "banned"),
    [
        ("mosaicast/adapters/kafka/x.py", True),
        ("mosaicast/core/x.py", True),
        ("mosaicast/runtime/x.py", True),
        ("services/cli/x.py", True),
        ("mosaicast/runtime/clocks.py", False),
        ("mosaicast/runtime/logs.py", False),
        ("bench/x.py", False),
        ("synthetic/x.py", False),
        ("tests/unit/x.py", False),
    ],
)
def test_clocks_and_logs_are_those_of_the_runtime(code: str, name: str, banned: bool) -> None:
    assert ("TID251" in complaints(f'"""A module."""\n\n{code}\n', name)) is banned


def test_the_list_for_those_who_measure_lacks_the_clock_and_the_logs_only() -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    theirs = tomllib.loads((ROOT / "tests" / "ruff.toml").read_text())
    left = dict(ours["lint"]["flake8-tidy-imports"]["banned-api"])
    del left["time"], left["logging"]
    assert theirs["lint"]["flake8-tidy-imports"]["banned-api"] == left


def test_a_name_that_nobody_uses_is_refused(tmp_path: Path) -> None:
    module = tmp_path / "x.py"
    module.write_text("def needed() -> None: ...\n\n\ndef forgotten() -> None: ...\n\n\nneeded()\n")
    done = subprocess.run(
        [sys.executable, "-m", "vulture", "--config", ROOT / "pyproject.toml", module],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "unused function 'forgotten'" in done.stdout
    assert "'needed'" not in done.stdout


def test_whoever_makes_a_child_says_what_it_may_reach() -> None:
    """Without `access` a child is not held back: that is for helpers of tests."""
    calls = [
        (path.name, {keyword.arg for keyword in node.keywords})
        for folder in ("mosaicast", "services")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "spawn"
    ]
    media = [(name, given) for name, given in calls if "limits" in given]
    assert len(media) >= 4
    assert [name for name, given in media if "access" not in given] == []
