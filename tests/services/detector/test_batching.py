"""When a run begins: full, or nobody else can come, or 20 ms after the first. In virtual time."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.contracts.messages import SampledFrame
from services.detector.batching import DEADLINE_S, begins_at_s
from services.detector.waiting import WaitingFrames

MakeFrame = Callable[..., SampledFrame]


@pytest.mark.parametrize(
    ("since_s", "batch", "streams", "begins"),
    [
        ([], 16, 9, None),
        ([5.0], 1, 9, 5.0),
        ([5.0], 16, 1, 5.0),
        ([5.0], 16, 9, 5.0 + DEADLINE_S),
        ([6.0, 5.0, 5.5], 4, 9, 5.0 + DEADLINE_S),
        ([6.0, 5.0, 5.5], 3, 9, 5.0),
        ([6.0, 5.0, 5.5], 16, 3, 5.0),
    ],
)
def test_a_run_begins_when_it_is_full_or_can_get_no_fuller_or_at_the_deadline(
    since_s: list[float], batch: int, streams: int, begins: float | None
) -> None:
    assert begins_at_s(since_s, batch, streams) == begins


@given(st.lists(st.floats(0, 100), min_size=1, max_size=80), st.integers(1, 64), st.integers(1, 80))
def test_nobody_waits_longer_than_the_deadline_and_a_single_frame_never(
    since_s: list[float], batch: int, streams: int
) -> None:
    begins = begins_at_s(since_s, batch, streams)
    assert begins is not None
    assert min(since_s) <= begins <= min(since_s) + DEADLINE_S
    assert begins_at_s(since_s, 1, streams) == min(since_s)


@dataclass
class Worker:
    """One worker in front of the real queue, in virtual time."""

    batch: int
    waiting: WaitingFrames = field(default_factory=WaitingFrames)
    idle_since_s: float = 0.0
    runs: list[tuple[float, float, list[float]]] = field(default_factory=list)
    """Of each run: when it began, since when the worker was idle, and when its frames came."""

    def serve(self, arrivals: list[tuple[float, SampledFrame]], run_s: Callable[[int], float]) -> None:
        """Take all arrivals, each run lasting what its size says."""
        came = {(frame.stream_id, frame.seq): at_s for at_s, frame in arrivals}
        heapq.heapify(queue := [(at_s, number) for number, (at_s, _) in enumerate(arrivals)])
        now = 0.0
        while queue or self.waiting.depth:
            begins_s = self.waiting.begins_at_s(self.batch)
            next_s = queue[0][0] if queue else float("inf")
            if begins_s is None or max(begins_s, now) >= next_s:
                now = max(now, next_s)
                self.waiting.offer(arrivals[heapq.heappop(queue)[1]][1], 0, next_s)
                continue
            now = max(now, begins_s)
            jobs = self.waiting.take(self.batch)
            self.runs.append((now, self.idle_since_s, [came[job.frame.stream_id, job.frame.seq] for job in jobs]))
            now = self.idle_since_s = now + run_s(len(jobs))
            while queue and queue[0][0] <= now:
                at_s, number = heapq.heappop(queue)
                self.waiting.offer(arrivals[number][1], 0, at_s)
            for job in jobs:
                self.waiting.finish(job, published=True)


def arrivals_of(make_frame: MakeFrame, streams: int, seconds: float) -> list[tuple[float, SampledFrame]]:
    """Ten frames a second of each stream, the streams evenly apart."""
    return sorted(
        (
            (number / streams / 10 + seq / 10, make_frame(seq, stream_id=f"s{number}"))
            for number in range(streams)
            for seq in range(int(seconds * 10))
        ),
        key=lambda one: one[0],
    )


@pytest.mark.parametrize("streams", [1, 3, 20, 100])
@pytest.mark.parametrize("batch", [1, 16])
def test_a_free_worker_lets_no_frame_wait_beyond_the_deadline(make_frame: MakeFrame, streams: int, batch: int) -> None:
    worker = Worker(batch)
    worker.serve(arrivals_of(make_frame, streams, 3.0), lambda size: 0.0005 + 0.0001 * size)
    assert sum(len(came) for _, _, came in worker.runs) == streams * 30
    assert not worker.waiting.drain_drops()
    for began_s, idle_since_s, came in worker.runs:
        assert began_s <= max(min(came) + DEADLINE_S, idle_since_s) + 1e-9
        assert len(came) <= batch


def test_many_streams_share_runs_and_a_single_one_never_waits(make_frame: MakeFrame) -> None:
    many, single, unbatched = Worker(16), Worker(16), Worker(1)
    many.serve(arrivals_of(make_frame, 100, 3.0), lambda _: 0.005)
    single.serve(arrivals_of(make_frame, 1, 3.0), lambda _: 0.005)
    unbatched.serve(arrivals_of(make_frame, 20, 3.0), lambda _: 0.001)
    sizes = [len(came) for _, _, came in many.runs]
    assert sum(sizes) / len(sizes) > 12
    assert all(began_s == came[0] for began_s, _, came in single.runs)
    assert all(began_s == max(came[0], idle_s) for began_s, idle_s, came in unbatched.runs)


def test_a_slow_network_gets_fuller_runs_instead_of_falling_behind(make_frame: MakeFrame) -> None:
    """30 frames a second, and a run of 40 ms whatever it takes: one by one would need 1.2 s for each second."""
    worker = Worker(16)
    worker.serve(arrivals_of(make_frame, 3, 5.0), lambda _: 0.04)
    assert not worker.waiting.drain_drops()
    assert max(began_s - min(came) for began_s, _, came in worker.runs) < 0.1
