"""Commands that ask a running api: status, policy, consents, and questions before something is erased."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.cli import printing
from services.cli.client import ApiError
from tests.services.cli.fakes import Api, run

STREAM: dict[str, Any] = {
    "stream_id": "s1",
    "name": "Market [red]",
    "state": "live",
    "reason": "",
    "fps": 29.97,
    "latency_ms": 1044.0,
    "tracks": {"clear": 1.0, "masked": 2.0},
    "frames": {"dropped": 4},
}
STATE: dict[str, Any] = {"streams": [STREAM], "problems": ["the photos belong to another database"], "at_ms": 1}
POLICY: dict[str, Any] = {
    "style": "mosaic",
    "delay_s": 1.0,
    "zones": [{"x": 0.0, "y": 0.0, "width": 0.5, "height": 0.25}],
    "preset": "veryfast",
    "analysis_fps": 10.0,
    "detection_threshold": 0.2,
}
CONSENT: dict[str, Any] = {"stream_id": "s1", "allowed": False, "expires_at": None, "visible": False}


def sent(api: Api, index: int = -1) -> Any:
    return json.loads(api.asked[index][2])


def test_status_shows_streams_and_what_must_be_mended(api: Api) -> None:
    waiting = {
        **STREAM,
        "stream_id": "s2",
        "state": "waiting",
        "latency_ms": None,
        "tracks": {},
        "reason": "Nobody is publishing.",
    }
    api.answers = [(200, {**STATE, "streams": [STREAM, waiting]})]
    lines = run(api, "status").output.splitlines()
    assert lines[0].split() == ["stream", "name", "state", "fps", "delay", "clear", "masked", "dropped", "reason"]
    assert lines[1].split() == ["s1", "Market", "[red]", "live", "30", "1.04", "s", "1", "2", "4"]
    assert "Nobody is publishing." in lines[2]
    assert lines[3] == "problem: the photos belong to another database"


def test_status_shows_publishers_that_were_refused(api: Api) -> None:
    second = {"address": "192.0.2.7", "reason": "Somebody publishes already.", "times": 1, "last_ms": 1}
    wrong = {**second, "reason": "This stream key is not known.", "times": 3}
    api.answers = [(200, {**STATE, "streams": [{**STREAM, "refused": [second]}], "edge": {"refused": [wrong]}})]
    lines = run(api, "status").output.splitlines()
    assert re.fullmatch(r"refused at s1: .* 192.0.2.7, once, last at \S+: Somebody publishes already\.", lines[2])
    assert re.fullmatch(r"refused at the edge: .*, 3 times, last at \S+: This stream key is not known\.", lines[3])
    assert lines[4].startswith("problem: ")


def test_one_stream_is_shown_with_its_state_and_addresses(api: Api) -> None:
    refused = {"address": "192.0.2.7", "reason": "Somebody publishes already.", "times": 2, "last_ms": 1}
    status = {**STREAM, "state": "starting", "reason": "The source has no video track.", "refused": [refused]}
    api.answers = [(200, {**shown("StreamOut"), "stream_id": "s1"}), (200, {"streams": [status]})]
    lines = run(api, "streams", "show", "s1").output.splitlines()
    assert "  state   starting" in lines
    assert "  reason  The source has no video track." in lines
    assert any(line.startswith("  HLS     http") for line in lines)
    assert re.fullmatch(r"refused at it: .* 192.0.2.7, 2 times, last at \S+: Somebody publishes already\.", lines[-1])
    api.answers = [(200, {**shown("StreamOut"), "stream_id": "s1"}), (200, {"streams": [STREAM]})]
    assert not any("reason" in line for line in run(api, "streams", "show", "s1").output.splitlines())
    api.answers = [(200, {**shown("StreamOut"), "stream_id": "s1"}), (200, {"streams": [STREAM]})]
    assert json.loads(run(api, "streams", "show", "s1", "--json").output) == STREAM


def test_a_stream_that_is_gone_is_not_shown(api: Api) -> None:
    api.answers = [(200, {**shown("StreamOut"), "stream_id": "s1"}), (200, {"streams": []})]
    assert "deleted just now" in str(run(api, "streams", "show", "s1").exception)


def test_status_as_json(api: Api) -> None:
    api.answers = [(200, STATE)]
    assert json.loads(run(api, "status", "--json").output) == STATE


@pytest.mark.parametrize("options", [("--json",), ()])
def test_status_is_watched_until_the_api_is_gone(api: Api, options: tuple[str, ...]) -> None:
    api.answers = [(200, STATE), (200, STATE), (503, {"detail": "the database does not answer"})]
    done = run(api, "status", "--watch", *options)
    assert str(done.exception) == "the database does not answer"
    assert len(api.asked) == 3
    if options:
        assert [json.loads(line) for line in done.output.splitlines()] == [STATE, STATE]
    else:
        assert "Market [red]" in done.output


def test_a_policy_is_shown(api: Api) -> None:
    api.answers = [(200, POLICY), (200, POLICY)]
    output = run(api, "policy", "show", "s/1").output
    assert api.asked[0][:2] == ("GET", "/v1/streams/s%2F1/policy")
    assert "zones                0,0,0.5,0.25" in output
    assert json.loads(run(api, "policy", "show", "s1", "--json").output) == POLICY


def test_a_policy_is_changed_where_it_is_named(api: Api) -> None:
    api.answers = [(200, POLICY)] * 3
    run(api, "policy", "set", "s1", "--style", "blur", "--delay", "2", "--zone", "0,0,1,0.5", "--zone", "0.5,0,0.5,1")
    assert api.asked[0][:2] == ("PATCH", "/v1/streams/s1/policy")
    assert sent(api) == {
        "style": "blur",
        "delay_s": 2.0,
        "zones": [{"x": 0, "y": 0, "width": 1, "height": 0.5}, {"x": 0.5, "y": 0, "width": 0.5, "height": 1}],
    }
    assert "If-Match" not in api.headers[0]
    run(api, "policy", "set", "s1", "--no-zones", "--fps", "5", "--preset", "fast", "--threshold", "0.3")
    assert sent(api) == {"zones": [], "analysis_fps": 5.0, "preset": "fast", "detection_threshold": 0.3}
    assert json.loads(run(api, "policy", "set", "s1", "--fps", "5", "--json").output) == POLICY


def test_a_zone_is_added_only_to_the_zones_that_were_read(api: Api) -> None:
    api.tag = '"7"'
    api.answers = [(200, POLICY), (200, POLICY), (200, POLICY), (412, {"detail": "the stream was changed since"})]
    assert run(api, "policy", "set", "s1", "--add-zone", "0.5,0.5,0.1,0.1").exit_code == 0
    assert sent(api) == {"zones": [*POLICY["zones"], {"x": 0.5, "y": 0.5, "width": 0.1, "height": 0.1}]}
    assert api.headers[-1]["If-Match"] == '"7"'
    assert "changed since" in str(run(api, "policy", "set", "s1", "--add-zone", "0,0,1,1").exception)


@pytest.mark.parametrize(
    "options", [(), ("--zone", "1,2,3"), ("--zone", "a,b,c,d"), ("--zone", "0,0,1,1", "--no-zones")]
)
def test_a_policy_that_is_mistyped_is_wrong_usage(api: Api, options: tuple[str, ...]) -> None:
    assert run(api, "policy", "set", "s1", *options).exit_code == 2
    assert api.asked == []


def test_consents_are_listed(api: Api) -> None:
    allowed = {**CONSENT, "stream_id": "s2", "allowed": True, "expires_at": "2030-12-31T09:00:00Z", "visible": True}
    api.answers = [(200, {"consents": [CONSENT, allowed]}), (200, {"consents": [CONSENT]})]
    lines = run(api, "consents", "list", "../p1").output.splitlines()
    assert api.asked[0][:2] == ("GET", "/v1/people/..%2Fp1")
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "s1 refused masked",
        "s2 allowed 2030-12-31T09:00:00Z may be seen",
    ]
    assert json.loads(run(api, "consents", "list", "p1", "--json").output) == [CONSENT]


def test_consents_are_allowed_refused_and_cleared(api: Api) -> None:
    api.answers = [(200, {**CONSENT, "visible": True}), (200, CONSENT), (200, CONSENT), (204, None)]
    done = run(api, "consents", "allow", "p1", "s1", "--until", "2030-12-31T18:00:00+09:00")
    assert done.output == "p1 on s1: may be seen\n"
    assert api.asked[0][:2] == ("PUT", "/v1/people/p1/consents/s1")
    assert sent(api) == {"allowed": True, "expires_at": "2030-12-31T18:00:00+09:00"}
    assert run(api, "consents", "refuse", "p1", "s1").output == "p1 on s1: masked\n"
    assert sent(api) == {"allowed": False}
    assert json.loads(run(api, "consents", "refuse", "p1", "s1", "--json").output) == CONSENT
    assert run(api, "consents", "clear", "p1", "s1").output == ""
    assert api.asked[-1][:2] == ("DELETE", "/v1/people/p1/consents/s1")


ERASING = [
    ("people", "Erase `Ann [red]` (x1)", "/v1/people/x1"),
    ("streams", "Delete the stream `Ann [red]` (x1)", "/v1/streams/x1"),
]


@pytest.mark.parametrize(("what", "question", "path"), ERASING)
def test_before_it_is_erased_a_question_is_asked(
    api: Api, monkeypatch: pytest.MonkeyPatch, what: str, question: str, path: str
) -> None:
    monkeypatch.setattr(printing, "is_terminal", lambda: True)
    api.answers = [(200, {"name": "Ann [red]"}), (200, {"name": "Ann [red]"}), (204, None)]
    no = run(api, what, "delete", "x1", answer="n\n")
    assert question in no.output
    assert (no.exit_code, [asked[0] for asked in api.asked]) == (1, ["GET"])
    assert run(api, what, "delete", "x1", answer="y\n").exit_code == 0
    assert api.asked[-1][:2] == ("DELETE", path)


@pytest.mark.parametrize(("what", "question", "path"), ERASING)
def test_nobody_is_asked_with_yes_and_nothing_is_erased_where_nobody_could_be(
    api: Api, what: str, question: str, path: str
) -> None:
    refused = run(api, what, "delete", "x1", answer="y\n")
    assert refused.exit_code == 2
    assert refused.output.count("\n") == 1
    assert "--yes" in refused.output
    assert api.asked == []
    api.answers = [(204, None)]
    assert run(api, what, "delete", "x1", "--yes").exit_code == 0
    assert [asked[:2] for asked in api.asked] == [("DELETE", path)]


def test_who_is_not_there_is_not_asked_about(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "is_terminal", lambda: True)
    api.answers = [(404, {"detail": "there is no person `x1`"})]
    done = run(api, "people", "delete", "x1", answer="y\n")
    assert isinstance(done.exception, ApiError)
    assert len(api.asked) == 1


def shown(schema: str) -> dict[str, Any]:
    """Return the example that the committed OpenAPI document has."""
    document = json.loads((Path(__file__).parents[3] / "docs" / "openapi.json").read_text())
    example: dict[str, Any] = document["components"]["schemas"][schema]["examples"][0]
    return example


@pytest.mark.parametrize(
    ("schema", "arguments", "words"),
    [
        ("StatusOut", ("status",), "Main square"),
        ("StatusOut", ("streams", "list"), "live"),
        ("StreamCreated", ("streams", "create", "Main square"), "the-key-that-OBS-is-given"),
        ("PolicyBody", ("policy", "show", "s1"), "veryfast"),
        ("PolicyBody", ("policy", "set", "s1", "--add-zone", "0,0,1,1"), "0.75,0,0.25,0.2"),
        ("PersonList", ("people", "list"), "Ann"),
        ("PersonOut", ("consents", "list", "p1"), "may be seen"),
        ("ConsentOut", ("consents", "allow", "p1", "s1"), "may be seen"),
    ],
)
def test_what_the_api_answers_is_understood(api: Api, schema: str, arguments: tuple[str, ...], words: str) -> None:
    api.answers = [(200, shown(schema))] * 2
    done = run(api, *arguments)
    assert done.exit_code == 0, done.exception
    assert words in done.output


@pytest.mark.parametrize(
    ("publish_url", "page"),
    [
        ("rtmp://127.0.0.1/live", "http://127.0.0.1:{port}/watch/sQ3zWx1kPm8Tn5aLd"),
        ("rtmp://live.example.org:1935/live", "http://live.example.org:{port}/watch/sQ3zWx1kPm8Tn5aLd"),
        ("rtmp://[2001:db8::1]/live", "http://[2001:db8::1]:{port}/watch/sQ3zWx1kPm8Tn5aLd"),
    ],
)
def test_a_stream_comes_with_what_obs_and_viewers_need_on_lines_of_their_own(
    api: Api, publish_url: str, page: str
) -> None:
    api.answers = [(201, {**shown("StreamCreated"), "publish_url": publish_url, "watch_url": None})]
    lines = run(api, "streams", "create", "Main square").output.splitlines()
    port = api.url.rpartition(":")[2]
    assert f"  Server      {publish_url}" in lines
    assert "  Stream Key  the-key-that-OBS-is-given" in lines
    assert f"  page        {page.format(port=port)}" in lines


@pytest.mark.parametrize(
    ("schema", "arguments"), [("StreamCreated", ("create", "Main square")), ("StreamOut", ("show", "s1"))]
)
def test_behind_a_proxy_the_page_is_where_the_api_says(api: Api, schema: str, arguments: tuple[str, ...]) -> None:
    page = "https://live.example.org/watch/s1"
    stream = {**shown(schema), "stream_id": "s1", "watch_url": page}
    api.answers = [(200, stream), (200, {"streams": [STREAM]})]
    lines = run(api, "streams", *arguments).output.splitlines()
    assert [line.split() for line in lines if line.strip().startswith("page")] == [["page", page]]
