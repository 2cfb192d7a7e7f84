"""What viewers are told of a stream, and what their page is made of."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from mosaicast.contracts.messages import PublicationState
from services.api.deps import Addresses
from services.api.http import watch
from services.api.status import SILENT_S
from services.api.watching import WORDS
from tests.player import NEEDS_PLAYER
from tests.services.api.fakes import ADMIN_TOKEN, Desk, problem
from tests.services.api.test_status import report

NASTY = "<img src=x onerror=\"document.title='run'\"></td><script>document.title='run'</script>"


@pytest.fixture
def live(desk: Desk) -> str:
    """A stream that is on air."""
    created = desk.create(name=NASTY)
    desk.publish(created["stream_key"])
    stream_id = str(created["stream_id"])
    report(desk, stream_id, "ingest")
    counted(desk, stream_id, clear=1, masked=1, full_mosaic=1)
    return stream_id


def counted(desk: Desk, stream_id: str, **counters: int) -> None:
    report(desk, stream_id, "compositor", counters=counters)


def said(desk: Desk, stream_id: str) -> str:
    answer = desk.anyone.get(f"/watch/{stream_id}/state")
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"state", "at_ms"}, "nothing else is for everybody"
    assert answer.json()["at_ms"] == desk.now_ms
    return str(answer.json()["state"])


def test_viewers_wait_for_a_streamer(desk: Desk) -> None:
    stream_id = str(desk.create()["stream_id"])
    assert said(desk, stream_id) == "waiting"


def test_a_stream_that_is_live_and_one_whose_parts_are_silent(desk: Desk, live: str) -> None:
    assert said(desk, live) == "live"
    desk.now_s += SILENT_S + 0.1
    assert said(desk, live) == "starting"


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("quarantined", "failed"),
        ("refused", "failed"),
        ("ended", "ended"),
        ("starting", "starting"),
    ],
)
def test_what_a_streamer_is_told_in_a_viewers_words(desk: Desk, live: str, state: PublicationState, shown: str) -> None:
    report(desk, live, "compositor", state=state, reason="a reason that is not for everybody")
    assert said(desk, live) == shown


def test_panic_is_told(desk: Desk, live: str) -> None:
    desk.admin.post(f"/v1/streams/{live}/panic")
    assert said(desk, live) == "masked"


def test_a_second_of_full_mosaic_is_told_until_it_is_over(desk: Desk, live: str) -> None:
    counted(desk, live, clear=1, masked=1, full_mosaic=30)
    assert said(desk, live) == "masked"
    counted(desk, live, clear=1, masked=2, full_mosaic=58)
    assert said(desk, live) == "live", "one picture of that second was not"
    counted(desk, live, clear=0, masked=0, full_mosaic=3)
    assert said(desk, live) == "live", "counted anew by another process"
    counted(desk, live, clear=0, masked=0, full_mosaic=33)
    assert said(desk, live) == "masked"
    desk.now_s += SILENT_S + 0.1
    assert not desk.board.all_masked(live, desk.now_s), "nobody says so any more"


def test_a_stream_that_is_gone_is_404(desk: Desk, live: str) -> None:
    desk.admin.delete(f"/v1/streams/{live}")
    problem(desk.anyone.get(f"/watch/{live}/state"), 404)
    problem(desk.anyone.get(f"/watch/{live}"), 404)


def test_every_state_has_its_words(desk: Desk, live: str) -> None:
    script = (watch.PAGE.parent / "watch.js").read_text()
    told = {"waiting", "starting", "live", "masked", "ended", "failed"}
    shown = script[script.index("function shown") : script.index("function note")]
    assert told | set(re.findall(r'"(\w+)"', shown)) <= WORDS.keys()
    page = desk.anyone.get(f"/watch/{live}").text
    found = re.search(r'data-words="([^"]*)"', page)
    assert found is not None
    assert json.loads(unescape(found.group(1))) == WORDS
    for name in WORDS:
        assert re.search(rf"\b{name}\b", script) or name in told or f"${name}" in watch.PAGE.read_text(), name


def test_the_page_holds_addresses_and_names_as_data(desk: Desk) -> None:
    desk.addresses = Addresses("rtmp://edge.test", "http://edge.test/'\"</script><b>\\")
    desk.build()
    stream_id = desk.create(name=NASTY)["stream_id"]
    answer = desk.anyone.get(f"/watch/{stream_id}")
    found = re.search(r'data-hls="([^"]*)"', answer.text)
    assert found is not None
    assert unescape(found.group(1)) == desk.addresses.masked(stream_id)[1]
    for nasty in ("<b>", "onerror", ADMIN_TOKEN):
        assert nasty not in answer.text


def test_its_policy_lets_no_script_in_that_is_not_ours_and_media_from_the_edge_alone(desk: Desk, live: str) -> None:
    answer = desk.anyone.get(f"/watch/{live}")
    policy = dict(part.split(maxsplit=1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["worker-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' http://edge.test"
    assert policy["media-src"] == "'self' blob: http://edge.test"
    assert re.findall(r"<script[^>]*>", answer.text) == re.findall(r"<script defer src=[^>]*>", answer.text)
    assert not re.search(r"<style|style=| on\w+=", answer.text)
    assert not re.findall(r"(?:src|href)=\"https?:", answer.text.replace("http://edge.test", "")), "no other host"


def test_an_address_that_is_none_opens_no_door(desk: Desk) -> None:
    desk.addresses = Addresses("rtmp://edge.test", "http://a.test; script-src *")
    desk.build()
    stream_id = desk.create()["stream_id"]
    policy = desk.anyone.get(f"/watch/{stream_id}").headers["content-security-policy"]
    assert "*" not in policy


@pytest.mark.parametrize("name", ["watch.js", "watch.css"])
def test_what_the_page_needs_is_there(desk: Desk, name: str) -> None:
    answer = desk.anyone.get(f"/player/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/")


@pytest.mark.parametrize("name", ["watch.html", "LICENSE", "..%2Fwatch.py", "package-lock.json", "x" * 50])
def test_nothing_else_is_handed_out(desk: Desk, name: str) -> None:
    assert desk.anyone.get(f"/player/{name}").status_code in {404, 422}


def test_hls_js_comes_from_where_the_set_up_put_it(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "player_folder", lambda: tmp_path)
    assert "scripts/setup" in problem(desk.anyone.get("/player/hls.light.min.js"), 404)["detail"]
    (tmp_path / "hls.light.min.js").write_text("var Hls;")
    answer = desk.anyone.get("/player/hls.light.min.js")
    assert (answer.text, answer.headers["content-type"]) == ("var Hls;", "text/javascript; charset=utf-8")


@NEEDS_PLAYER
def test_the_set_up_has_put_it_there() -> None:
    for name in ("hls.light.min.js", "hls.worker.js", "LICENSE"):
        assert (watch.player_folder() / name).is_file(), "scripts/setup"
