"""How long enrolling and revoking take on a live stream, by what a viewer sees.

usage: python -m bench.enroll_latency [--by person|consent] [--runs 20] [--delay 1.0] [--out FILE]

A whole product on free ports, a synthetic broadcast of two people, one of them enrolled and erased again and again, or
(`--by consent`) enrolled once, and her consent to be seen on this stream taken back and given again. A viewer reads the
masked stream back from the edge and judges every frame. From the moment of the API's answer:

- `enrol_s`: to the arrival of the last frame that does not show the person, less the set delay. A frame arrives later
  than it was captured by that delay and more: frames captured so long after the answer are all clear.
- `revoke_s`: to the arrival of the last frame that shows the person, frames that were on their way included. Negative:
  masked before the API answered.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mosaicast.runtime.clocks import monotonic_s
from services.cli.client import ApiClient
from services.cli.stack import Stack, StackOptions
from synthetic import presets
from synthetic.cast import Person, load_cast
from synthetic.clip import write_clip
from synthetic.oracle import Oracle, SourceClip
from synthetic.session import LiveStream, LiveWatch, Session, wait_until

ENROLLED, STRANGER = "astronaut", "admiral"
OUT = Path(__file__).parent / "results" / "enrol_latency.json"
WATCHED_S = 2.0
"""Watched so long beyond the delay; whoever needs longer counts as so long."""
PAUSE_S = 0.37
"""Between rounds, growing by itself: no round meets the looks and crops at the same moment as the last."""
READY_S = 60.0


class LatencyError(Exception):
    """Nothing could be measured: the stream does not play, or what it shows can't be told."""


@dataclass(frozen=True, slots=True)
class Round:
    """One person enrolled and revoked; seconds, see the module."""

    enroll_s: float
    revoke_s: float


class Rounds:
    """Measures on one stream.

    Args:
        session: of a running product.
        stream: live, its delay `delay_s`.
        watch: of that stream, by an oracle for whom `person` is enrolled.
        person: in full view of every frame.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a round is made of
        self, session: Session, stream: LiveStream, watch: LiveWatch, person: Person, owner: str, delay_s: float
    ) -> None:
        self._session, self._stream, self._watch = session, stream, watch
        self._person, self._owner, self._delay_s = person, owner, delay_s

    def measure(self) -> Round:
        """Enroll and revoke once.

        Raises:
            LatencyError: the stream shows the person before, or did not go on.
            TimeoutError: the person is not seen.
        """
        enroll_s, person_id = self.enroll()
        return Round(enroll_s, self.revoke(f"/v1/people/{person_id}"))

    def measure_consent(self, path: str) -> Round:
        """Give and take back the consent at `path` of a person who is enrolled and refused there.

        Raises:
            LatencyError, TimeoutError: as `measure`.
        """
        self._session.api.delete(path)
        enroll_s = self.seen_since(monotonic_s())
        self._session.api.put(path, {"allowed": False})
        return Round(enroll_s, self.masked_since(monotonic_s()))

    def refused(self) -> str:
        """Enroll the person, refuse this stream, and return the path of that consent."""
        person_id = self._session.enroll(self._person.name, self._person, owner=self._owner)
        path = f"/v1/people/{person_id}/consents/{self._stream.stream_id}"
        self._session.api.put(path, {"allowed": False})
        self._wait_for_frames(monotonic_s() + self._delay_s + WATCHED_S)
        return path

    def enroll(self) -> tuple[float, str]:
        """Enroll; return `enrol_s` and the person's id."""
        person_id = self._session.enroll(self._person.name, self._person, owner=self._owner)
        answered_s = monotonic_s()
        return self.seen_since(answered_s), person_id

    def seen_since(self, answered_s: float) -> float:
        """Return `enrol_s` for an answer at that moment."""
        end_s = answered_s + self._delay_s + WATCHED_S
        self._wait_for_frames(end_s)
        masked = [
            seen.arrival_s for seen in self._watch.sightings(answered_s) if seen.arrival_s < end_s and not seen.clear
        ]
        return max(masked, default=answered_s) - answered_s - self._delay_s

    def revoke(self, path: str) -> float:
        """Delete what lets the person be seen; return `revoke_s`."""
        self._session.api.delete(path)
        return self.masked_since(monotonic_s())

    def masked_since(self, answered_s: float) -> float:
        """Return `revoke_s` for an answer at that moment."""
        end_s = answered_s + self._delay_s + WATCHED_S
        self._wait_for_frames(end_s)
        shown = [
            seen.arrival_s for seen in self._watch.sightings(answered_s - 1) if seen.arrival_s < end_s and seen.shown
        ]
        if not shown:
            raise LatencyError("the person was not seen before")
        return max(shown) - answered_s

    def _wait_for_frames(self, end_s: float) -> None:
        wait_until(lambda: self._watch.count("clean", end_s) > 0, READY_S, "frames from then on")


@contextmanager
def running(folder: Path) -> Iterator[Session]:
    """Run a product of its own."""
    token = "latency-administrator"
    options = StackOptions(data_dir=folder / "data", rtmp_port=0, http_port=0, api_port=0, admin_token=token)
    with Stack(options) as stack:
        addresses = stack.start()
        with ApiClient(addresses.api_url, token) as api:
            yield Session(stack, api, folder)


def measured(folder: Path, runs: int, delay_s: float, by: str = "person") -> Iterator[Round]:
    """Yield the rounds as they are measured, `by` person or consent.

    Raises:
        LatencyError, TimeoutError: as `Rounds.measure`; a stranger was seen.
    """
    cast = load_cast()
    clip = folder / "pair.flv"
    write_clip(clip, presets.small([ENROLLED, STRANGER], seconds=16), cast)
    oracle = Oracle([SourceClip.load(clip)], [ENROLLED])
    pause = threading.Event()
    with running(folder) as session:
        stream = session.create("latency", owner="latency")
        session.api.patch(f"/v1/streams/{stream.stream_id}/policy", {"delay_s": delay_s})
        with session.publish(clip, stream), LiveWatch(stream.rtmp_url, oracle) as watch:
            wait_until(lambda: watch.count("clean") >= 60, READY_S, "masked frames")
            rounds = Rounds(session, stream, watch, cast[ENROLLED], "latency", delay_s)
            consent = rounds.refused() if by == "consent" else None
            for number in range(runs):
                yield rounds.measure() if consent is None else rounds.measure_consent(consent)
                pause.wait(PAUSE_S * (number % 7) / 7)
            if watch.report().leaks:
                raise LatencyError(f"a stranger was seen in {len(watch.report().leaks)} frames")


def summary(rounds: Sequence[Round], delay_s: float, load_average: float) -> dict[str, Any]:
    """Return what is written: the percentiles, every value, and where it was measured."""
    return {
        "runs": len(rounds),
        "delay_s": delay_s,
        "enrol_s": percentiles(one.enroll_s for one in rounds),
        "revoke_s": percentiles(one.revoke_s for one in rounds),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load_average_before": load_average},
    }


def percentiles(values_s: Iterable[float]) -> dict[str, Any]:
    """Return median, 95th percentile (interpolated), maximum and all values, in seconds to the millisecond."""
    kept = sorted(values_s)
    return {
        "p50": round(float(np.percentile(kept, 50)), 3),
        "p95": round(float(np.percentile(kept, 95)), 3),
        "max": round(kept[-1], 3),
        "all": [round(value, 3) for value in kept],
    }


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.enroll_latency", description=__doc__)
    parser.add_argument("--by", choices=("person", "consent"), default="person", help="what is given and taken back")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--delay", type=float, default=1.0, help="of the stream, seconds")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure, print a line for each round, write the JSON; 0 if both 95th percentiles are within 1 s."""
    arguments = _arguments(argv)
    load_average = round(os.getloadavg()[0], 2)
    rounds = []
    with tempfile.TemporaryDirectory(prefix="enroll-latency-") as folder:
        for one in measured(Path(folder), arguments.runs, arguments.delay, arguments.by):
            rounds.append(one)
            print(f"{len(rounds):3d}  enrolled {one.enroll_s:+.3f} s  revoked {one.revoke_s:+.3f} s", flush=True)
    result = summary(rounds, arguments.delay, load_average)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name in ("enrol_s", "revoke_s"):
        print(
            f"{name:9s} p50 {result[name]['p50']:+.3f}  p95 {result[name]['p95']:+.3f}  max {result[name]['max']:+.3f}"
        )
    return 0 if max(result["enrol_s"]["p95"], result["revoke_s"]["p95"]) <= 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())
