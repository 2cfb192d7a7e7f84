"""People on a live stream: what is said about them counts at once, and without a gallery nobody is seen.

What is judged is what a viewer of the masked stream sees: which frames, in which order. How soon is measured, by
`python -m bench.enroll_latency`: a busy machine is slower than any bound that would be worth a promise.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from synthetic.cast import Person
from synthetic.oracle import Oracle, SourceClip
from synthetic.session import LiveStream, LiveWatch, Session, Sighting, wait_until
from tests.e2e.beside import ALONE, beside
from tests.e2e.conftest import FPS
from tests.e2e.watching import runs_clear

pytestmark = pytest.mark.timeout(900)

ENROLLED, STRANGER = "astronaut", "admiral"
DELAY_S, LONG_DELAY_S = 1.0, 8.0
HEEDED_S = 6.0
"""What was answered is heeded within so long on any machine. It is less than the long delay: then frames wait that were
captured before the answer, and they must be masked too."""
LATE_S = 2.0
"""A frame arrives by the delay and up to so long after it was captured, on any machine."""
HEALS_S = 150.0


@dataclass(frozen=True)
class Broadcast:
    """A stream on air with one person to enroll and a stranger, and its viewer."""

    session: Session
    stream: LiveStream
    watch: LiveWatch
    delay_s: float = DELAY_S

    def seen_again(self) -> None:
        """Wait until the person is seen for a second."""
        since_s = time.monotonic()
        wait_until(lambda: runs_clear(self.watch, since_s), HEALS_S, "the enrolled person is seen")

    def masked_from(self, answered_s: float) -> None:
        """Soon after the answer nobody is shown: not in the frames that waited then, nor in those captured later."""
        heeded = round(HEEDED_S * FPS)
        captured_later = max(heeded, round(self.delay_s * FPS))

        def masked() -> list[Sighting]:
            return [seen for seen in self.watch.sightings(answered_s)[captured_later:] if seen.kind == "clean"]

        wait_until(lambda: len(masked()) >= FPS, 60, "frames captured after the answer")
        shown = [index for index, seen in enumerate(self.watch.sightings(answered_s)) if seen.shown]
        assert max(shown, default=0) < heeded, "of frames in their order of arrival"

    def clear_tracks(self, count: int) -> None:
        """Wait until the status tells so many clear tracks."""
        wait_until(lambda: self.tracks().get("clear") == count, 30, f"{count} clear tracks in the status")

    def tracks(self) -> dict[str, float]:
        tracks: dict[str, float] = self.session.status(self.stream)["tracks"]
        return tracks


@contextmanager
def on_air(
    session: Session, clip: Path, owner: str, *, delay_s: float = DELAY_S, name: str = "people"
) -> Iterator[Broadcast]:
    stream = session.create(name, owner=owner)
    session.api.patch(f"/v1/streams/{stream.stream_id}/policy", {"delay_s": delay_s})
    oracle = Oracle([SourceClip.load(clip)], [ENROLLED])
    with session.publish(clip, stream), LiveWatch(stream.rtmp_url, oracle) as watch:
        wait_until(lambda: watch.count("clean") >= 2 * FPS, 60, "masked frames")
        yield Broadcast(session, stream, watch, delay_s)
        assert watch.report().leaks == (), "the stranger, at any time"
    session.api.delete(f"/v1/streams/{stream.stream_id}")


@beside(ALONE)
def test_what_is_said_about_a_person_counts_on_the_frames_that_wait_and_on_no_other_stream(
    quick_session: Session, people: Mapping[str, Person], two_clip: Path
) -> None:
    """Enrolled, refused on one stream, let be seen again, erased: by one with a long delay and one with a short."""
    api = quick_session.api
    with (
        on_air(quick_session, two_clip, "said", delay_s=LONG_DELAY_S, name="mine") as mine,
        on_air(quick_session, two_clip, "said", name="other") as other,
    ):
        assert not any(seen.shown for on in (mine, other) for seen in on.watch.sightings()), "before she is enrolled"
        person_id = quick_session.enroll("Eileen", people[ENROLLED], owner="said")
        mine.seen_again()
        other.seen_again()
        consent = f"/v1/people/{person_id}/consents/{mine.stream.stream_id}"
        api.put(consent, {"allowed": False})
        mine.masked_from(time.monotonic())
        masked_s = time.monotonic()
        other.seen_again()
        assert not any(seen.shown for seen in mine.watch.sightings(masked_s)), "masked here while seen there"
        api.delete(consent)
        mine.seen_again()
        api.delete(f"/v1/people/{person_id}")
        erased_s = time.monotonic()
        other.masked_from(erased_s)
        mine.masked_from(erased_s)


# --- the gallery fails --------------------------------------------------------------------------------------------


def gallery(session: Session) -> Path:
    return session.stack.options.data_dir / "gallery"


@contextmanager
def locked(session: Session) -> Iterator[None]:
    """Nobody gets in, and what the recognizer has read is outdated: the databases are other files now."""
    with ExitStack() as held:
        for lock in gallery(session).rglob("mosaicast.lock"):
            fcntl.flock(held.enter_context(lock.open("r+b")), fcntl.LOCK_EX)
        for database in gallery(session).rglob("templates.sqlite"):
            copy = database.with_suffix(".copy")
            shutil.copyfile(database, copy)
            os.replace(copy, database)
        yield


@contextmanager
def away(session: Session) -> Iterator[None]:
    """No folder can be there, as if a disk had gone; then it is back."""
    aside = gallery(session).with_name("gallery-aside")
    gallery(session).rename(aside)
    gallery(session).touch()
    try:
        yield
    finally:
        gallery(session).unlink()
        aside.rename(gallery(session))


Failure = Callable[[Session], AbstractContextManager[None]]


@pytest.mark.parametrize("failure", [locked, away])
def test_without_the_gallery_everybody_is_masked_and_it_heals(
    quick_session: Session, people: Mapping[str, Person], two_clip: Path, failure: Failure
) -> None:
    owner = f"gallery-{failure.__name__}"
    quick_session.enroll("Eileen", people[ENROLLED], owner=owner)
    with on_air(quick_session, two_clip, owner) as broadcast:
        broadcast.seen_again()
        with failure(quick_session):
            wait_until(lambda: broadcast.tracks().get("gallery_unavailable", 0) >= 2, 30, "the status says so")
            broadcast.clear_tracks(0)
            captured_s = time.monotonic() + DELAY_S + LATE_S
            wait_until(lambda: broadcast.watch.count("clean", captured_s) >= 3 * FPS, 60, "it goes on")
            shown = [seen for seen in broadcast.watch.sightings(captured_s) if seen.shown]
            assert shown == [], "captured after the gallery was known to be gone"
        broadcast.seen_again()
        broadcast.clear_tracks(1)
        assert broadcast.watch.report().order_violations == ()


def test_a_gallery_that_lost_everything_is_filled_again_and_nobody_is_seen_until_then(
    quick_session: Session, people: Mapping[str, Person], two_clip: Path
) -> None:
    owner = "gallery-emptied"
    quick_session.enroll("Eileen", people[ENROLLED], owner=owner)
    with on_air(quick_session, two_clip, owner) as broadcast:
        broadcast.seen_again()
        gone_s = time.monotonic()
        shutil.rmtree(gallery(quick_session))
        wait_until(lambda: gallery(quick_session).exists(), HEALS_S, "templates are made again")
        back_s = time.monotonic() - 0.1  # it is seen a poll later
        broadcast.seen_again()
        since_gone = [seen for seen in broadcast.watch.sightings(gone_s) if seen.number is not None]
        noticed = next((index for index, seen in enumerate(since_gone) if not seen.shown), None)
        assert noticed is not None, "the loss was noticed"
        early = [seen for seen in since_gone[noticed:] if seen.shown and seen.arrival_s < back_s]
        assert early == [], "seen again before there was a gallery again"
        broadcast.clear_tracks(1)
        assert broadcast.watch.report().order_violations == ()
