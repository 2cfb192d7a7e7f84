"""Broadcasts over a log that loses, repeats and mixes up what it carries: nobody is shown, no frame unaccounted."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.failures import Observation, record
from synthetic import presets
from synthetic.cast import Person
from synthetic.oracle import SourceClip
from synthetic.publisher import Publisher
from synthetic.session import LiveWatch, Session, wait_until
from tests.e2e.chaotic import CALM_S
from tests.e2e.conftest import FPS, MakeClip, light
from tests.e2e.exchange import instead
from tests.e2e.field.inputs import Edit, delayed, ffmpeg, later, without
from tests.e2e.flv_publisher import TagPublisher, in_real_time
from tests.e2e.test_live import balance
from tests.e2e.watching import KeepingOracle
from tests.flv_tags import SOUND, read_tags

SECONDS = float(os.environ.get("MOSAICAST_CHAOS_SECONDS", "20"))
RANDOM = f"messages lost, repeated, late and mixed up at random, {SECONDS:.0f} s"
SEED = int(os.environ.get("MOSAICAST_CHAOS_SEED", "1"))
CHAOTIC = ("detector", "recognizer", "compositor")
SLACK_S = 60.0
"""Far beyond what is needed, on any machine."""

TINY = (432, 240)
"""Of pictures of which several run side by side; the oracle still sees faces and reads numbers in them."""
Sent = Callable[[Path, Path, str], AbstractContextManager[Any]]


def recoded(*options: str) -> Sent:
    """Publish what an FFmpeg with these options makes of a clip."""

    def publish(clip: Path, folder: Path, url: str) -> AbstractContextManager[Any]:
        path = folder / f"{abs(hash(options))}.flv"
        ffmpeg(["-i", str(clip), *options, str(path)])
        return Publisher(path, url)

    return publish


def edited(edit: Edit) -> Sent:
    """Publish a clip's tags, changed."""
    return lambda clip, _, url: TagPublisher(edit(in_real_time(read_tags(clip), 4)), url)


SENT: Mapping[str, Sent] = {
    "no sound": recoded("-c:v", "copy", "-an"),
    "HEVC": recoded("-c:a", "copy", "-c:v", "libx265", "-preset", "ultrafast", "-crf", "18", "-g", "10",
                    "-x265-params", "log-level=error"),
    "B-frames and MP3": recoded("-c:a", "libmp3lame", "-ar", "44100", "-c:v", "libx264", "-crf", "18", "-g", "20",
                                "-bf", "3"),
    "a way that gets 1.2 s longer": edited(lambda timed: delayed(timed, 8.0, 1.2)),
    "sound 3 s late": edited(lambda timed: later(timed, SOUND, 3.0)),
    "no sound for 5 s": edited(lambda timed: without(timed, SOUND, 6.0, 11.0)),
}  # fmt: skip
BATCHES = (tuple(SENT)[:3], tuple(SENT)[3:])


@pytest.fixture(scope="module")
def chaotic(session: Session) -> Iterator[Session]:
    """A product of which three services can't trust their log."""
    commands = {
        name: [sys.executable, "-m", "tests.e2e.chaotic", name, str(SEED + number), str(SECONDS)]
        for number, name in enumerate(CHAOTIC)
    }
    with instead(session.stack, commands):
        yield session


def test_whatever_the_log_loses_repeats_or_mixes_up_nobody_is_shown(
    chaotic: Session, people: Mapping[str, Person], make_clip: MakeClip
) -> None:
    clip = make_clip("restless", light(presets.restless(["astronaut", "admiral"], "coach")))
    chaotic.enroll("Eileen", people["astronaut"], owner="chaos")
    stream = chaotic.create("chaos", owner="chaos")
    with (
        chaotic.publish(clip, stream) as publisher,
        LiveWatch(stream.rtmp_url, KeepingOracle([SourceClip.load(clip)], ["astronaut"])) as watch,
    ):
        wait_until(lambda: watch.report().frames > 0, SLACK_S, "the first frame")
        # The clip's frames by their number would not do: those that are wholly mosaicked have none.
        wait_until(lambda: watch.report().frames >= (CALM_S + SECONDS) * FPS, SECONDS * 2 + SLACK_S, "the whole time")
        publisher.stop()
        wait_until(lambda: chaotic.status(stream)["state"] == "waiting", SLACK_S, "the end")
        report = watch.report()
    books = chaotic.books(stream)
    record(Observation.of_whole(RANDOM, chaotic.stack.options.kafka, report, books))
    for service in CHAOTIC:
        assert "chaos {" in log_of(chaotic, service), f"nothing happened before {service}"
    assert report.leaks == ()
    assert report.by_kind.get("unreadable", 0) == report.by_kind.get("foreign", 0) == 0
    assert report.order_violations == ()
    painted = report.by_kind.get("clean", 0)
    assert painted >= 0.1 * report.frames, "mosaicking everything proves nothing"
    assert report.enrolled_visible, "and so does masking everybody"
    assert balance(chaotic, stream).dropped.get("lost_in_log", 0) > 0


@pytest.mark.parametrize("batch", BATCHES, ids=" and ".join)
def test_whatever_people_send_meanwhile_nobody_is_shown(
    chaotic: Session, people: Mapping[str, Person], make_clip: MakeClip, tmp_path: Path, batch: Sequence[str]
) -> None:
    if chaotic.stack.options.kafka == "real":
        pytest.skip("what comes in is the same on both brokers")
    clip = make_clip("tiny", replace(presets.restless(["astronaut", "admiral"], "coach"), fps=10, size_wh=TINY))
    source = SourceClip.load(clip)
    chaotic.enroll("Eileen", people["astronaut"], owner="sent")
    with ExitStack() as running:
        watches: dict[str, LiveWatch] = {}
        for name in batch:
            stream = chaotic.create(name, owner="sent")
            chaotic.api.patch(f"/v1/streams/{stream.stream_id}/policy", {"delay_s": 2.0})
            running.callback(chaotic.api.delete, f"/v1/streams/{stream.stream_id}")
            url = f"{chaotic.stack.addresses.publish_url}/{stream.key}"
            running.enter_context(SENT[name](clip, tmp_path, url))
            oracle = KeepingOracle([source], ["astronaut"])
            watches[name] = running.enter_context(LiveWatch(stream.rtmp_url, oracle))
        for name, watch in watches.items():
            wait_until(lambda watch=watch: watch.report().frames >= SECONDS * 10, 2 * SECONDS + SLACK_S, name)  # type: ignore[misc]
            wait_until(lambda watch=watch: watch.count("clean") >= 10, SLACK_S, f"masked frames of {name}")  # type: ignore[misc]
        reports = {name: watch.report() for name, watch in watches.items()}
    for name, report in reports.items():
        assert report.leaks == (), name
        assert report.by_kind.get("unreadable", 0) == report.by_kind.get("foreign", 0) == 0, name


def log_of(session: Session, service: str) -> str:
    path: Path = session.stack.process(service).spec.log_path
    return path.read_text(errors="replace")
