"""`mosaicast logs`: all services in order of time, also while they write."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.failures import CommandError
from services.cli.logs import Tail
from services.cli.main import app


def line(second: int, service: str, event: str, **more: object) -> str:
    at = f"2030-01-01T00:00:{second:02}.5Z"
    return json.dumps({"timestamp": at, "service": service, "level": "info", "event": event, **more}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text(line(1, "api", "began") + line(4, "api", "ended", reason="it is done"))
    (logs / "ingest.log").write_text(
        line(2, "ingest", "read") + "Traceback (most recent call last):\n" + line(3, "ingest", "went")
    )
    (logs / "edge.log").write_text("")
    return tmp_path


def logs(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["logs", "--data-dir", str(folder), *arguments])


def events(done: Result) -> list[str]:
    return [json.loads(text)["event"] for text in done.output.splitlines()]


def test_all_services_are_one_log_in_order_of_time(folder: Path) -> None:
    assert events(logs(folder, "--json")) == ["began", "read", "Traceback (most recent call last):", "went", "ended"]
    lines = logs(folder).output.splitlines()
    assert lines[0] == "2030-01-01T00:00:01 api        info    began"
    assert lines[-1].endswith('ended  reason="it is done"')
    assert "ingest" in lines[2]


def test_what_strangers_sent_does_nothing_to_the_terminal(folder: Path) -> None:
    (folder / "logs" / "edge.log").write_text("2030 \x1b[2J\x07 bad name\n")
    (folder / "logs" / "api.log").write_text(line(1, "api", "\x1b]0;x\x07", reason="\x1b[31m"))
    assert all(text.isprintable() for text in logs(folder).output.splitlines())
    assert "bad name" in logs(folder, "edge").output


def test_the_last_lines_of_one_service(folder: Path) -> None:
    assert events(logs(folder, "ingest", "--json", "--lines", "1")) == ["went"]
    assert events(logs(folder, "--json", "-n", "2")) == ["went", "ended"]
    assert logs(folder, "-n", "0").output == ""
    assert logs(folder, "edge").output == ""


def test_a_service_that_is_not_there_and_a_folder_without_logs_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    wrong = logs(folder, "../secrets/vault_key").exception
    assert isinstance(wrong, CommandError)
    assert "there are: api, edge, ingest" in str(wrong)
    assert "mosaicast up" in str(logs(tmp_path / "none").exception)


def test_a_file_is_read_as_it_grows_and_anew_when_it_was_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    tail = Tail(path)
    assert tail.lines() == []
    path.write_text(line(1, "api", "one") + line(2, "api", "two")[:20])
    assert [one.members["event"] for one in tail.lines()] == ["one"]
    with path.open("a") as file:
        file.write(line(2, "api", "two")[20:])
    assert [one.members["event"] for one in tail.lines()] == ["two"]
    path.write_text(line(3, "api", "new"))
    assert [one.members["event"] for one in tail.lines()] == ["new"]
    assert tail.lines() == []


def test_following_shows_what_is_written_and_ends_with_ctrl_c(folder: Path) -> None:
    command = [sys.executable, "-m", "services.cli.main", "logs", "--follow", "--json", "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        shown: Iterator[str] = iter(process.stdout)
        assert [json.loads(next(shown))["event"] for _ in range(5)][-1] == "ended"
        with (folder / "logs" / "recognizer.log").open("a") as file:
            file.write(line(5, "recognizer", "later"))
        assert json.loads(next(shown))["event"] == "later"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
