"""Logs carry no secrets and no pictures."""

import json

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
    logs.get_logger("here").warning("source gone", stream="abc", url="rtmp://edge/live/planted")
    line = json.loads(capsys.readouterr().err)
    assert line["service"] == "ingest"
    assert line["stream"] == "abc"
    assert "planted" not in json.dumps(line)


def test_places_tell_where_and_not_what():
    def fails() -> None:
        raise ValueError("secret")

    try:
        fails()
    except ValueError as exc:
        told = logs.places(exc)
    assert [place.split()[1] for place in told] == ["fails", "test_places_tell_where_and_not_what"]
    assert all(place.startswith("test_logs.py:") for place in told)
