"""HLS of a broadcast: what viewers get, and what lies on the disk at every moment of a stream's life."""

import signal
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from synthetic.cast import Person
from synthetic.session import Session, wait_until
from tests.e2e.beside import ALONE, beside
from tests.e2e.hls_watch import HlsWatch
from tests.files import files_under

SOON_S = 60.0
"""On any machine."""


@pytest.fixture(scope="module")
def ann(quick_session: Session, people: Mapping[str, Person]) -> str:
    return quick_session.enroll("Eileen", people["astronaut"], owner="hls")


def pictures(session: Session) -> set[str]:
    """Return the segments on the disk, relative to the folder of HLS."""
    root = session.stack.options.data_dir / "hls"
    return {str(path.relative_to(root)) for path in files_under(root, ".ts")}


def listed(watch: HlsWatch) -> set[str]:
    return set(watch.uris)


def test_a_broadcast_by_the_rules_and_nothing_stays_behind(quick_session: Session, ann: str, pair_clip: Path) -> None:
    session = quick_session
    stream = session.create("hls", owner="hls")
    with session.publish(pair_clip, stream), HlsWatch(stream) as watch:
        wait_until(lambda: watch.count >= 9, SOON_S, "more segments than a playlist lists")
        wait_until(lambda: len(pictures(session)) <= len(watch.uris) + 2, SOON_S, "older ones are gone")

        before = pictures(session)
        session.api.post(f"/v1/streams/{stream.stream_id}/panic")
        wait_until(lambda: not before & pictures(session), SOON_S, "clear segments are gone after panic")
        wait_until(lambda: len(listed(watch) - before) >= 2, SOON_S, "mosaicked segments go on")
        assert watch.get(sorted(before)[0]).status_code == httpx.codes.NOT_FOUND
        session.api.delete(f"/v1/streams/{stream.stream_id}/panic")

        before = pictures(session)
        session.api.delete(f"/v1/people/{ann}")
        wait_until(lambda: not before & pictures(session), SOON_S, "segments are gone after an erasure")
        wait_until(lambda: len(listed(watch) - before) >= 2, SOON_S, "segments without the person go on")

        seen = watch.count
        session.kill_child("compositor")
        wait_until(lambda: watch.count >= seen + 3, SOON_S, "segments go on after a kill of the child")
        seen = watch.count
        before = pictures(session)
        session.signal_service("compositor", signal.SIGKILL)
        wait_until(lambda: watch.count >= seen + 2, SOON_S, "segments go on after a kill of the service")
        assert not before & pictures(session), "what the killed one left is swept"
        session.api.delete(f"/v1/streams/{stream.stream_id}")
        wait_until(lambda: not pictures(session), SOON_S, "nothing is left of a deleted stream")
        assert watch.get(stream.hls_url).status_code == httpx.codes.NOT_FOUND
    assert max(state.target_s for state in watch.states) == 2


@beside(ALONE)
def test_the_end_is_told(quick_session: Session, owner: str, pair_clip: Path) -> None:
    stream = quick_session.create("ends", owner=owner)
    with HlsWatch(stream) as watch:
        with quick_session.publish(pair_clip, stream):
            wait_until(lambda: watch.count >= 2, SOON_S, "segments")
        wait_until(lambda: watch.states[-1].ended, SOON_S, "the end")
        watch.check(ended=True)
    assert watch.states[-1].items, "the last ones can still be loaded"
    quick_session.api.delete(f"/v1/streams/{stream.stream_id}")


@beside(ALONE)
def test_any_page_may_play_and_nobody_may_do_anything_else(quick_session: Session, owner: str, pair_clip: Path) -> None:
    stream = quick_session.create("doors", owner=owner)
    site = stream.hls_url.rpartition("/hls/")[0]
    with quick_session.publish(pair_clip, stream), HlsWatch(stream) as watch:
        wait_until(lambda: watch.count >= 1, SOON_S, "a segment")
        for uri in (stream.hls_url, watch.uris[0]):
            answer = watch.get(uri)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["cache-control"] == "no-store"
    name = stream.stream_id
    inside = [f"/hls/{name}/index.m3u8", f"/hls/{name}/", "/hls/", "/hls/../edge/nginx.conf", "/hls/%2e%2e/edge.token"]
    for path in ["/", "/stat", "/control/drop/publisher?app=live", "/healthz", *inside]:
        answer = httpx.get(f"{site}{path}", trust_env=False)
        assert answer.status_code in {403, 404, 400}, path
        assert "access-control-allow-origin" not in answer.headers
    for method in ("POST", "PUT", "DELETE"):
        assert httpx.request(method, stream.hls_url, trust_env=False).status_code in {403, 405}
    quick_session.api.delete(f"/v1/streams/{stream.stream_id}")
