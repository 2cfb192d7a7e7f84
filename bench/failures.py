"""What viewers saw when something failed: the tests of faults write it down, this makes docs/failures.md of it.

MOSAICAST_FAILURES=/tmp/failures .venv/bin/python -m pytest tests/e2e/test_{faults,chaos,stepping}.py
.venv/bin/python -m bench.failures /tmp/failures > docs/failures.md
"""

import json
import os
import statistics
import sys
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from synthetic.playback import PlaybackReport
from synthetic.session import Books, Sighting

FOLDER_VARIABLE = "MOSAICAST_FAILURES"
PAUSE_S = 0.5
"""Without a frame for so long, viewers see the picture stand still."""
_TIMES = ("recovery_s", "seen_again_s")
CALM_FRAMES = 30
"""So many frames in a row that are painted by regions, without a pause, and it is as before: a second."""
ON_THEIR_WAY_S = 1.5
"""Frames that arrive so soon after a fault were on their way before: the delay is 1 s."""
_HEAD = """# What viewers see when something fails

Made by the tests (`test_faults.py`, `test_chaos.py`, `test_stepping.py` in `tests/e2e`) with
`python -m bench.failures`, from broadcasts at 640 x 360 and 30 frames a second, delay 1 s, that a viewer watched over
RTMP; an oracle that knows where each face is judged every frame that came out. Recovery is counted from the fault (from
its end, where it lasts) until frames are painted by regions again for a second. What is on its way when a fault comes
is not counted, so 1.5 s may mean that there was nothing to recover from. "Seen again" is the enrolled person, who must
be recognised anew after some faults. A stranger is clear if under 90 % of the face is masked. Lost frames are those of
the whole broadcast. The machine has two cores; all runs but one of each row were beside a process that burns one of
them, and other work.

| fault | broker | what viewers saw | recovery, median | worst | seen again | runs | frames lost | clear strangers |
|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Observation:
    """One fault in one broadcast."""

    fault: str
    broker: str
    full_mosaic_s: float
    """How long all of the picture was mosaicked."""
    pause_s: float
    """The longest time without a frame."""
    recovery_s: float | None
    """None: there was nothing to recover from."""
    seen_again_s: float | None = None
    """The same for the enrolled person, who must be recognised again."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Frames that were not shown, by reason."""
    leaks: int = 0
    frames: int = 0
    """That the viewer got."""
    enrolled_masked_s: float = 0.0
    """How long the enrolled person, who is in the picture all along, was masked in frames painted by regions."""

    @classmethod
    def of(cls, fault: "Fault", seen: Sequence[Sighting], report: PlaybackReport, books: Books) -> "Observation":
        """Sum up what was seen since a fault."""
        since = [one for one in seen if one.arrival_s >= fault.begin_s]
        mosaicked = sum(one.kind == "full_mosaic" for one in since)
        masked = sum(one.kind == "clean" and not one.clear for one in since)
        pauses = (later.arrival_s - sooner.arrival_s for sooner, later in pairwise(since))
        ends = recovered_s(seen, fault), shown_s(seen, fault)
        recovery_s, seen_again_s = (None if at_s is None else at_s - fault.end_s for at_s in ends)
        return cls(fault.name, fault.broker, mosaicked / 30, max(pauses, default=0.0), recovery_s, seen_again_s,
                   dict(books.dropped), len(report.leaks), len(since), masked / 30)  # fmt: skip

    @classmethod
    def of_whole(cls, fault: str, broker: str, report: PlaybackReport, books: Books) -> "Observation":
        """Sum up a broadcast that was disturbed all along."""
        return cls(
            fault, broker,
            report.by_kind.get("full_mosaic", 0) / 30, report.longest_pause_s, None, None, dict(books.dropped),
            len(report.leaks), report.frames,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened to a broadcast, and when: monotonic seconds."""

    name: str
    broker: str
    begin_s: float
    end_s: float


def recovered_s(seen: Sequence[Sighting], fault: Fault) -> float | None:
    """Return when frames were painted by regions again, None if they never were.

    Not "for good": a busy machine mosaics a frame now and then without any fault.
    """
    return _first_run([(one.arrival_s, one.kind == "clean") for one in seen], fault)


def shown_s(seen: Sequence[Sighting], fault: Fault) -> float | None:
    """Return when the enrolled person was to be seen again, frames that don't tell aside; None: she never was."""
    telling = [one for one in seen if one.number is None or one.clear or one.shown]
    return _first_run([(one.arrival_s, one.clear) for one in telling], fault)


def _first_run(seen: Iterable[tuple[float, bool]], fault: Fault) -> float | None:
    """Return when the first run of good frames without a pause begins, of those that the fault could have reached."""
    since_s = max(fault.begin_s + ON_THEIR_WAY_S, fault.end_s)
    begin_s, run, last_s = None, 0, since_s
    for at_s, good in seen:
        if at_s < since_s:
            continue
        paused, last_s = at_s - last_s > PAUSE_S, at_s
        if not good:
            begin_s, run = None, 0
        elif begin_s is None or paused:
            begin_s, run = at_s, 1
        else:
            run += 1
        if run == CALM_FRAMES:
            return begin_s
    return None


def record(observation: Observation) -> None:
    """Write an observation into the folder that `FOLDER_VARIABLE` names; without it nothing is kept."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / f"{uuid.uuid4().hex}.json").write_text(json.dumps(asdict(observation)))


def load(folder: Path) -> list[Observation]:
    """Return the observations in a folder."""
    return [Observation(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def table(observations: Iterable[Observation]) -> str:
    """Return the page."""
    groups: dict[tuple[str, str], list[Observation]] = {}
    for one in observations:
        groups.setdefault((one.fault, one.broker), []).append(one)
    return _HEAD + "\n".join(_row(*key, groups[key]) for key in sorted(groups)) + "\n"


def _row(fault: str, broker: str, of: Sequence[Observation]) -> str:
    kafka = {"real": "Kafka", "embedded": "embedded"}[broker]
    back, again = ([time for one in of if (time := getattr(one, name)) is not None] for name in _TIMES)
    worst = f"{max(back):.1f} s" if back else "-"
    leaks = sum(one.leaks for one in of)
    cells = (fault, kafka, _seen(of), _median(back), worst, _median(again), len(of), _lost(of), leaks)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _median(times_s: Sequence[float]) -> str:
    return f"{statistics.median(times_s):.1f} s" if times_s else "-"


def _seen(of: Sequence[Observation]) -> str:
    mosaic_s = statistics.median(one.full_mosaic_s for one in of)
    pause_s = statistics.median(one.pause_s for one in of)
    said = [f"all mosaic for {mosaic_s:.1f} s"] if mosaic_s >= 0.1 else []
    said += [f"a pause of {pause_s:.1f} s"] if pause_s > PAUSE_S else []
    masked_s = statistics.median(one.enrolled_masked_s for one in of)
    said += [f"the enrolled person masked for {masked_s:.1f} s"] if masked_s >= 0.1 else []
    return ", ".join(said) or "nothing"


def _lost(of: Sequence[Observation]) -> str:
    """Return the frames lost in the median run, by reason."""
    reasons = sorted({reason for one in of for reason in one.dropped})
    medians = {reason: round(statistics.median(one.dropped.get(reason, 0) for one in of)) for reason in reasons}
    return ", ".join(f"{count} {reason}" for reason, count in medians.items() if count) or "0"


if __name__ == "__main__":
    print(table(load(Path(sys.argv[1]))), end="")
