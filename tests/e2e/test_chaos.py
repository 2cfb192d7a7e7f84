"""Broadcasts over a log that loses, repeats and mixes up what it carries: nobody is shown, no frame unaccounted."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench.failures import Observation, record
from mosaicast.adapters.kafka.server import missing
from mosaicast.runtime.processes import ProcessSpec
from services.cli.client import ApiClient
from services.cli.stack import Stack, StackOptions
from synthetic import presets
from synthetic.cast import Person
from synthetic.oracle import SourceClip
from synthetic.session import LiveWatch, Session, wait_until
from tests.e2e.chaotic import CALM_S
from tests.e2e.conftest import BROKERS, TOKEN, MakeClip, Products
from tests.e2e.retimed import SteppingPublisher
from tests.e2e.test_live import balance
from tests.e2e.watching import KeepingOracle

SECONDS = float(os.environ.get("MOSAICAST_CHAOS_SECONDS", "20"))
STEPS = 6
RANDOM = f"messages lost, repeated, late and mixed up at random, {SECONDS:.0f} s"
BACK = "the publisher's clock goes back"
SEED = int(os.environ.get("MOSAICAST_CHAOS_SEED", "1"))
CHAOTIC = ("detector", "recognizer", "compositor")
SLACK_S = 60.0
"""Far beyond what is needed, on any machine."""


class ChaoticStack(Stack):
    """Three services that can't trust their log."""

    def _specs(self, bootstrap: str) -> Iterator[ProcessSpec]:
        for spec in super()._specs(bootstrap):
            if spec.name not in CHAOTIC:
                yield spec
                continue
            seed = str(SEED + CHAOTIC.index(spec.name))
            yield replace(spec, command=[sys.executable, "-m", "tests.e2e.chaotic", spec.name, seed, str(SECONDS)])


@pytest.fixture(scope="module", params=BROKERS)
def chaotic(
    request: pytest.FixtureRequest, products: Products, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    if request.param == "real" and (lacking := missing()) is not None:
        pytest.skip(lacking)
    products.stop()  # two products at once would be late for each other
    folder = tmp_path_factory.mktemp("chaos")
    options = StackOptions(
        folder / "data", rtmp_port=0, http_port=0, api_port=0, kafka=request.param, admin_token=TOKEN
    )
    with ChaoticStack(options) as stack:
        addresses = stack.start()
        with ApiClient(addresses.api_url, TOKEN) as api:
            yield Session(stack, api, folder)


def test_whatever_the_log_loses_repeats_or_mixes_up_nobody_is_shown(
    chaotic: Session, people: Mapping[str, Person], make_clip: MakeClip
) -> None:
    clip = make_clip("restless", presets.restless(["astronaut", "admiral"], "coach"))
    chaotic.enroll("Eileen", people["astronaut"], owner="chaos")
    stream = chaotic.create("chaos", owner="chaos")
    with (
        chaotic.publish(clip, stream) as publisher,
        LiveWatch(stream.rtmp_url, KeepingOracle([SourceClip.load(clip)], ["astronaut"])) as watch,
    ):
        wait_until(lambda: watch.report().frames > 0, SLACK_S, "the first frame")
        # The clip's frames by their number would not do: those that are wholly mosaicked have none.
        wait_until(lambda: watch.report().frames >= (CALM_S + SECONDS) * 30, SECONDS * 2 + SLACK_S, "the whole time")
        publisher.stop()
        wait_until(lambda: chaotic.status(stream)["state"] == "waiting", SLACK_S, "the end")
        report = watch.report()
    books = chaotic.books(stream)
    record(Observation.of_whole(RANDOM, chaotic.stack.options.kafka, report, books))
    for service in CHAOTIC:
        assert "chaos" in log_of(chaotic, service), f"nothing happened before {service}"
    assert report.leaks == ()
    assert report.by_kind.get("unreadable", 0) == report.by_kind.get("foreign", 0) == 0
    assert report.order_violations == ()
    painted = report.by_kind.get("clean", 0)
    assert painted >= 0.1 * report.frames, "mosaicking everything proves nothing"
    assert report.enrolled_visible, "and so does masking everybody"
    assert balance(chaotic, stream).dropped.get("lost_in_log", 0) > 0


def log_of(session: Session, service: str) -> str:
    path: Path = session.stack.process(service).spec.log_path
    return path.read_text(errors="replace")


def test_a_source_whose_clock_goes_back_shows_nobody_and_plays_on(
    session: Session, people: Mapping[str, Person], make_clip: MakeClip
) -> None:
    clip = make_clip("restless", presets.restless(["astronaut", "admiral"], "coach"))
    session.enroll("Eileen", people["astronaut"], owner="stepping")
    stream = session.create("stepping", owner="stepping")
    url = f"{session.stack.addresses.publish_url}/{stream.key}"
    with (
        SteppingPublisher(clip, url, every_s=3.7, back_ms=(40, 417, 2000)) as publisher,
        LiveWatch(stream.rtmp_url, KeepingOracle([SourceClip.load(clip)], ["astronaut"])) as watch,
    ):
        wait_until(lambda: publisher.steps >= STEPS, 120, "the steps")
        since_s = time.monotonic()
        wait_until(lambda: watch.count("clean", since_s) >= 30, SLACK_S, "masked frames after them")
        report = watch.report()
    record(Observation.of_whole(BACK, session.stack.options.kafka, report, session.books(stream)))
    assert report.leaks == ()
    assert report.by_kind.get("unreadable", 0) == report.by_kind.get("foreign", 0) == 0
    assert report.order_violations == ()
    assert report.by_kind.get("clean", 0) >= 0.1 * report.frames, "mosaicking everything proves nothing"
    assert session.books(stream).dropped["old_epoch"] >= STEPS, "each step begins an epoch: what waits of the old goes"
    balance(session, stream)
