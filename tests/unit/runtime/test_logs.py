"""Logs carry no secrets and no pictures."""

import json
import logging
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from mosaicast.runtime import logs


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("rtmp://edge/live/s3cr3tk3y", "s3cr3tk3y"),
        ("rtmp://edge/live/s3cr3tk3y?token=abc", "abc"),
        ("play rtmp://edge/masked/id?token=t0k3n&x=1", "t0k3n"),
        ("Authorization: Bearer t0k3n", "t0k3n"),
        ("password = hunter2", "hunter2"),
        ("api_secret: xyz; secret=hush", "hush"),
    ],
)
def test_secrets_in_texts_are_redacted(text: str, secret: str) -> None:
    assert secret not in logs.redact(text)


def test_plain_text_is_untouched() -> None:
    text = "stream abc is live at 30 fps in /var/data"
    assert logs.redact(text) == text


@pytest.mark.parametrize("key", sorted(logs.FORBIDDEN_KEYS))
def test_forbidden_keys_never_show_their_value(key: str) -> None:
    assert logs.clean_event(None, "info", {key: "planted"})[key] == logs.REDACTED


@pytest.mark.parametrize("value", [b"\xff\xd8\xffjpeg", bytearray(b"x"), np.zeros((4, 4, 3)), memoryview(b"x")])
def test_pictures_and_vectors_become_their_type(value: object) -> None:
    cleaned = logs.clean_event(None, "info", {"event": "x", "thing": value})
    assert cleaned["thing"] == f"[{type(value).__name__}]"


def test_nested_values_are_cleaned_too() -> None:
    cleaned = logs.clean_event(None, "info", {"detail": {"token": "planted", "list": [b"planted"]}})
    assert "planted" not in str(cleaned)


def test_long_texts_are_cut() -> None:
    cleaned = logs.clean_event(None, "info", {"event": "x" * 10_000})
    assert len(str(cleaned["event"])) == logs.LONGEST_TEXT


def test_a_line_is_json_and_names_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ingest")
    logs.get_logger("here").warning("bug", stream="abc", url="rtmp://edge/live/planted")
    line = json.loads(capsys.readouterr().err)
    assert line["service"] == "ingest"
    assert line["stream"] == "abc"
    assert "planted" not in json.dumps(line)


def test_places_tell_where_and_not_what() -> None:
    def fails() -> None:
        raise ValueError("secret")

    try:
        fails()
    except ValueError as exc:
        told = logs.places(exc)
    assert [place.split()[1] for place in told] == ["fails", "test_places_tell_where_and_not_what"]
    assert all(place.startswith("test_logs.py:") for place in told)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("name", ["alembic.runtime", "asyncio", "confluent_kafka", "httpx", "uvicorn.error"])
def test_libraries_speak_through_the_same_redaction(capsys: pytest.CaptureFixture[str], name: str) -> None:
    logs.configure("api")
    logging.getLogger(name).warning("GET %s failed: token=planted, {'api-key': 'planted'}", "rtmp://edge/live/planted")
    (line,) = lines(capsys)
    assert (line["service"], line["module"], line["level"]) == ("api", name, "warning")
    assert "GET rtmp://edge/live/[redacted] failed" in str(line["event"])
    assert "planted" not in json.dumps(line)


@pytest.mark.parametrize(("level", "ours", "theirs"), [("DEBUG", 4, 2), ("INFO", 3, 2), ("ERROR", 1, 1)])
def test_libraries_speak_from_warnings_on(
    capsys: pytest.CaptureFixture[str], level: str, ours: int, theirs: int
) -> None:
    logs.configure("api", level=level)
    for logger in (logs.get_logger("here"), logging.getLogger("httpx")):
        for say in (logger.debug, logger.info, logger.warning, logger.error):
            say("bug")
    assert [line["module"] for line in lines(capsys)] == ["here"] * ours + ["httpx"] * theirs


def test_lines_of_other_threads_name_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api")
    thread = threading.Thread(target=lambda: logs.get_logger("there").info("bug"))
    thread.start()
    thread.join()
    assert [line["service"] for line in lines(capsys)] == ["api"]


def test_an_exception_is_told_by_its_type_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api")
    try:
        raise ValueError("planted")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
        logs.get_logger("here").exception("bug")
    for line in lines(capsys):
        assert line["exception"] == "ValueError"
        assert "test_an_exception_is_told" in str(line["places"])
        assert "planted" not in json.dumps(line)


def test_warnings_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("token=planted", UserWarning, stacklevel=1)
    (line,) = lines(capsys)
    assert line["module"] == "py.warnings"
    assert "UserWarning: token=[redacted]" in str(line["event"])


def test_a_line_that_cannot_be_formatted_is_not_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api")
    logging.getLogger("httpx").warning("%d", "planted")
    assert "planted" not in "".join(capsys.readouterr())


def test_whoever_wrote_to_the_root_before_writes_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    logs.configure("api")
    logging.getLogger("httpx").warning("once")
    assert len(lines(capsys)) == 1


def test_a_program_that_sets_up_no_logs_tells_its_warnings_on_standard_error() -> None:
    code = (
        "from mosaicast.runtime import logs\n"
        "log = logs.get_logger('tool')\n"
        "log.info('unasked')\n"
        "log.warning('asked', url='rtmp://edge/live/planted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == ""
    line = json.loads(done.stderr)
    assert (line["event"], line["url"]) == ("asked", "rtmp://edge/live/[redacted]")
