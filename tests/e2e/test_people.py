"""People on a live stream: nobody is taken for somebody else, and what is said about them counts within a second.

What is measured is what a viewer of the masked stream sees. A frame arrives by the delay, and a little more, after it
was captured: from `moment + delay + 1 s` on every frame was captured more than about a second after the moment.
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

from bench.enrol_latency import Rounds
from bench.session import LiveStream, LiveWatch, Session, wait_until
from bench.synthetic import presets
from bench.synthetic.cast import Person
from bench.synthetic.encounters import ENCOUNTERS
from bench.synthetic.oracle import Oracle, SourceClip
from tests.e2e.conftest import MakeClip

ENROLLED, STRANGER = "astronaut", "admiral"
WITHIN_S = 1.0
DELAY_S = 1.0
WARM_S = 3.0
"""Until the stream plays in its step, and the enrolled person has been looked at often enough."""
LEAST_SEEN = 0.8
"""Share of the frames in calm spans that must show the enrolled person: a re-check may fail now and then, and before a
stranger takes the place from one frame to the next, up to 0.9 s are masked in retrospect."""
HEALS_S = 15.0
HARDEST = ("swap", "cross", "take_over_at_the_heels", "cut_within_a_shot")


@pytest.fixture(scope="module")
def encounter_owner(quick_session: Session, people: Mapping[str, Person]) -> str:
    quick_session.enrol("Eileen", people[ENROLLED], owner="encounters")
    return "encounters"


def scene(name: str) -> object:
    """The hardest always, their easier variants when asked for: each takes half a minute."""
    wanted = name in HARDEST or "MOSAICAST_ALL_SCENES" in os.environ
    reason = "an easier variant; MOSAICAST_ALL_SCENES=1 runs it"
    return pytest.param(name, marks=pytest.mark.skipif(not wanted, reason=reason))


@pytest.mark.parametrize("name", [scene(name) for name in ENCOUNTERS])
def test_nobody_is_taken_for_the_enrolled_person(
    quick_session: Session, encounter_owner: str, make_clip: MakeClip, name: str
) -> None:
    encounter = ENCOUNTERS[name](ENROLLED, STRANGER)
    clip = make_clip(name, encounter.script)
    stream = quick_session.create(name, owner=encounter_owner)
    frames = encounter.script.frame_count
    with (
        quick_session.publish(clip, stream),
        LiveWatch(stream.rtmp_url, Oracle([SourceClip.load(clip)], [ENROLLED])) as watch,
    ):
        wait_until(lambda: watch.count("clean") + watch.count("leak") > 0, 30, "masked frames")
        start_s = watch.sightings()[0].arrival_s
        wait_until(lambda: len(watch.sightings(start_s + WARM_S)) >= frames, 40, "the whole clip")
        report = watch.report()
        calm = [
            seen.clear
            for seen in watch.sightings(start_s + WARM_S)
            if seen.number is not None and encounter.is_calm(seen.number)
        ]
    quick_session.api.delete(f"/v1/streams/{stream.stream_id}")
    assert report.leaks == ()
    assert report.order_violations == ()
    assert len(calm) >= 60
    assert sum(calm) / len(calm) >= LEAST_SEEN


@dataclass(frozen=True)
class Broadcast:
    """A stream on air with one person to enrol and a stranger, and its viewer."""

    session: Session
    stream: LiveStream
    watch: LiveWatch
    owner: str
    person: Person
    delay_s: float = DELAY_S

    @property
    def rounds(self) -> Rounds:
        return Rounds(self.session, self.stream, self.watch, self.person, self.owner, self.delay_s)

    def seen_again(self, timeout_s: float = HEALS_S) -> None:
        """Wait until the person is seen for a second."""
        since_s = time.monotonic()
        wait_until(lambda: self._runs_clear(since_s), timeout_s, "the enrolled person is seen")

    def _runs_clear(self, since_s: float) -> bool:
        newest = self.watch.sightings(since_s)[-30:]
        return len(newest) == 30 and all(seen.clear for seen in newest)

    def tracks(self) -> dict[str, float]:
        tracks: dict[str, float] = self.session.status(self.stream)["tracks"]
        return tracks


@contextmanager
def on_air(
    session: Session, clip: Path, person: Person, owner: str, *, delay_s: float = DELAY_S, name: str = "people"
) -> Iterator[Broadcast]:
    stream = session.create(name, owner=owner)
    session.api.patch(f"/v1/streams/{stream.stream_id}/policy", {"delay_s": delay_s})
    oracle = Oracle([SourceClip.load(clip)], [ENROLLED])
    with session.publish(clip, stream), LiveWatch(stream.rtmp_url, oracle) as watch:
        wait_until(lambda: watch.count("clean") >= 60, 40, "masked frames")
        yield Broadcast(session, stream, watch, owner, person, delay_s)
        assert watch.report().leaks == (), "the stranger, at any time"
    session.api.delete(f"/v1/streams/{stream.stream_id}")


@pytest.fixture(scope="module")
def two_clip(make_clip: MakeClip) -> Path:
    return make_clip("two", presets.small([ENROLLED, STRANGER], seconds=16))


@pytest.mark.parametrize("delay_s", [DELAY_S, 4.0])
def test_enrolling_and_revoking_count_within_a_second(
    quick_session: Session, people: Mapping[str, Person], two_clip: Path, delay_s: float
) -> None:
    """Of a long delay's frames, those that wait when a person is revoked must not leave clear."""
    with on_air(quick_session, two_clip, people[ENROLLED], f"revoked-{delay_s:.0f}", delay_s=delay_s) as broadcast:
        for _ in range(2):
            measured = broadcast.rounds.measure()
            assert measured.enrol_s <= WITHIN_S
            assert measured.revoke_s <= WITHIN_S


def test_a_consent_taken_back_counts_within_a_second_on_its_stream_only(
    quick_session: Session, people: Mapping[str, Person], two_clip: Path
) -> None:
    owner, person = "consents", people[ENROLLED]
    with (
        on_air(quick_session, two_clip, person, owner, delay_s=3.0, name="taken back") as mine,
        on_air(quick_session, two_clip, person, owner, name="other") as other,
    ):
        person_id = quick_session.enrol("Eileen", person, owner=owner)
        mine.seen_again()
        other.seen_again()
        consent = f"/v1/people/{person_id}/consents/{mine.stream.stream_id}"
        before_s = time.monotonic()
        quick_session.api.put(consent, {"allowed": False})
        assert mine.rounds.masked_since(time.monotonic()) <= WITHIN_S
        unseen = [seen for seen in other.watch.sightings(before_s) if seen.number is not None and not seen.clear]
        assert unseen == [], "on the other stream nothing changed"
        quick_session.api.delete(consent)
        assert mine.rounds.seen_since(time.monotonic()) <= WITHIN_S


# --- the gallery fails --------------------------------------------------------------------------------------------


def gallery(session: Session) -> Path:
    return session.stack.options.data_dir / "qdrant"


@contextmanager
def locked(session: Session) -> Iterator[None]:
    """Nobody gets in, and what the recognizer has read is outdated: the databases are other files now."""
    with ExitStack() as held:
        for lock in gallery(session).rglob("mosaicast.lock"):
            fcntl.flock(held.enter_context(lock.open("r+b")), fcntl.LOCK_EX)
        for database in gallery(session).rglob("storage.sqlite"):
            copy = database.with_suffix(".copy")
            shutil.copyfile(database, copy)
            os.replace(copy, database)
        yield


@contextmanager
def away(session: Session) -> Iterator[None]:
    """No folder can be there, as if a disk had gone; then it is back."""
    aside = gallery(session).with_name("qdrant-aside")
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
    quick_session.enrol("Eileen", people[ENROLLED], owner=owner)
    with on_air(quick_session, two_clip, people[ENROLLED], owner) as broadcast:
        broadcast.seen_again()
        with failure(quick_session):
            gone_s = time.monotonic()
            wait_until(lambda: broadcast.tracks().get("gallery_unavailable", 0) >= 2, 10, "the status says so")
            assert broadcast.tracks()["clear"] == 0
            wait_until(lambda: broadcast.watch.count("clean", gone_s + DELAY_S + WITHIN_S) >= 90, 20, "it goes on")
            shown = [seen for seen in broadcast.watch.sightings(gone_s + DELAY_S + WITHIN_S) if seen.shown]
            assert shown == [], "captured more than a second after the gallery was gone"
        broadcast.seen_again()
        assert broadcast.tracks()["clear"] == 1
        assert broadcast.watch.report().order_violations == ()


def test_a_gallery_that_lost_everything_is_filled_again_and_nobody_is_seen_until_then(
    quick_session: Session, people: Mapping[str, Person], two_clip: Path
) -> None:
    owner = "gallery-emptied"
    quick_session.enrol("Eileen", people[ENROLLED], owner=owner)
    with on_air(quick_session, two_clip, people[ENROLLED], owner) as broadcast:
        broadcast.seen_again()
        shutil.rmtree(gallery(quick_session))
        gone_s = time.monotonic()
        wait_until(lambda: gallery(quick_session).exists(), HEALS_S, "templates are made again")
        back_s = time.monotonic() - 0.1  # it is seen a poll later
        broadcast.seen_again()
        captured_meanwhile = [
            seen
            for seen in broadcast.watch.sightings(gone_s + DELAY_S + WITHIN_S)
            if seen.shown and seen.arrival_s < back_s + DELAY_S
        ]
        assert captured_meanwhile == []
        since_gone = [seen for seen in broadcast.watch.sightings(gone_s) if seen.number is not None]
        assert not all(seen.clear for seen in since_gone), "the loss was noticed"
        assert broadcast.tracks()["clear"] == 1
        assert broadcast.watch.report().order_violations == ()
