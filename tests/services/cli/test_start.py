"""What a command does not need it does not import; version, completion and reference."""

import importlib
import json
import subprocess
import sys
from difflib import unified_diff
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from mosaicast.runtime.ports import free_port
from services.cli import printing, reference
from services.cli.failures import FAILURES, is_failure

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
HEAVY = (
    "alembic", "av", "confluent_kafka", "cv2", "fastapi", "mosaicast.adapters", "numpy", "onnx", "openvino",
    "pydantic_settings", "qdrant_client", "sqlalchemy", "starlette", "torch", "uvicorn",
)  # fmt: skip
"""From 60 ms (numpy) to a second (qdrant_client) each. Pydantic is typer's own: 0.1 s, once a command has options."""
_RUN = f"""
import json, sys
from services.cli.main import main
sys.argv[0] = "mosaicast"
status = 0
try:
    main()
except SystemExit as ended:
    status = ended.code
print("\\n" + json.dumps([status, sorted(name for name in {(*HEAVY, "httpx")} if name in sys.modules)]))
"""


def imported(*arguments: str) -> tuple[int, list[str]]:
    """Return the exit status of a command and which heavy modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path), "MOSAICAST_TOKEN": "t"},
    )
    status, modules = json.loads(done.stdout.splitlines()[-1])
    return status, modules


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("up", "--help"),
        ("people", "--help"),
        ("doctor", "--help"),
        ("models", "pull", "--help"),
    ],
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) == (0, [])


@pytest.mark.parametrize(
    "arguments", [("fly",), ("up", "--rtmp-port", "high"), ("up", "--kafka", "--bootstrap", "k:1")]
)
def test_a_mistyped_command_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) == (2, [])


def test_a_command_that_asks_the_api_imports_an_http_client_and_no_more() -> None:
    assert imported("streams", "list", "--api-url", f"http://127.0.0.1:{free_port()}") == (1, ["httpx"])


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_every_failure_that_is_named_exists(name: str) -> None:
    module, _, kind = name.rpartition(".")
    error = getattr(importlib.import_module(module), kind)
    assert is_failure(error.__new__(error))
    assert not is_failure(RuntimeError())


def test_a_question_is_asked_on_a_terminal_and_never_answered_by_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def confirm(question: str, *, err: bool) -> bool:
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr(typer, "confirm", confirm)
    monkeypatch.setattr(printing, "is_terminal", lambda: True)
    with pytest.raises(typer.Abort):
        printing.asking(yes=False)("Erase Ann?")
    printing.asking(yes=False)("Erase Ann?")
    printing.asking(yes=True)("Erase Ann?")
    monkeypatch.setattr(printing, "is_terminal", lambda: False)
    with pytest.raises(typer.Exit) as refused:
        printing.asking(yes=False)("Erase Ann?")
    assert refused.value.exit_code == 2
    assert asked == ["Erase Ann?"] * 2


def program(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path), **environment},
    )


def test_the_version_is_the_installed_one() -> None:
    done = program("--version")
    assert (done.returncode, done.stdout) == (0, f"mosaicast {version('mosaicast')}\n")


@pytest.mark.parametrize(
    ("typed", "word", "offered"),
    [
        ("mosaicast st", 1, ["status", "streams"]),
        ("mosaicast streams pan", 2, ["panic"]),
        ("mosaicast up --ka", 2, ["--kafka"]),
    ],
)
def test_a_shell_that_asks_is_offered_what_fits(typed: str, word: int, offered: list[str]) -> None:
    asked = {"_MOSAICAST_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(word)}
    assert program(**asked).stdout.split() == offered


def test_completion_is_installed_for_the_shell_in_use(tmp_path: Path) -> None:
    asked = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    done = program("--install-completion", "bash", **asked)
    assert done.returncode == 0, done.stderr
    assert "_MOSAICAST_COMPLETE" in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_the_committed_reference_is_fresh() -> None:
    written, fresh = PAGE.read_text("utf-8"), reference.page()
    diff = "".join(unified_diff(written.splitlines(True), fresh.splitlines(True), "committed", "from the code", n=2))
    assert written == fresh, f"run `{reference.COMMAND}` and commit docs/reference/cli.md:\n{diff[:4000]}"


def test_every_command_and_option_says_what_it_is_for() -> None:
    lines = reference.page().splitlines()
    assert [line for line in lines if line.startswith("* `") and ": " not in line] == []
    assert [line for line in lines if line.startswith("* `--") and line.partition("`: ")[2].startswith("[")] == []
