"""What viewers saw when something failed: the tests of faults write it down, this makes docs/failures.md of it.

MOSAICAST_FAILURES=/tmp/failures .venv/bin/python -m pytest tests/e2e/test_faults.py tests/e2e/test_chaos.py
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

from bench.session import Books, Sighting
from bench.synthetic.playback import PlaybackReport

FOLDER_VARIABLE = "MOSAICAST_FAILURES"
PAUSE_S = 0.5
"""Without a frame for so long, viewers see the picture stand still."""
_TIMES = ("recovery_s", "seen_again_s")
CALM_FRAMES = 45
"""So many frames in a row that are painted by regions, without a pause, and it is as before."""
_HEAD = """# What viewers see when something fails

Made by the tests (`tests/e2e/test_faults.py`, `tests/e2e/test_chaos.py`) with `python -m bench.failures`, from
broadcasts at 640 x 360 and 30 frames a second, delay 1 s, that a viewer watched over RTMP; an oracle that knows where
each face is judged every frame that came out. Recovery is counted from the fault (from its end, where it lasts) until
frames are painted by regions again, for good; the delay of 1 s is a part of it. "Seen again" is the enrolled person,
who must be recognised anew after some faults. A stranger is clear if under 90 % of
the face is masked. Frames are lost in the whole broadcast, before and after the fault too.

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

    @classmethod
    def of(cls, fault: "Fault", seen: Sequence[Sighting], report: PlaybackReport, books: Books) -> "Observation":
        """Sum up what was seen since a fault."""
        since = [one for one in seen if one.arrival_s >= fault.begin_s]
        mosaicked = sum(one.kind == "full_mosaic" for one in since)
        pauses = (later.arrival_s - sooner.arrival_s for sooner, later in pairwise(since))
        recovery_s, seen_again_s = (
            None if at_s is None else max(0.0, at_s - fault.end_s) for at_s in (recovered_s(since), shown_s(since))
        )
        return cls(fault.name, fault.broker, mosaicked / 30, max(pauses, default=0.0), recovery_s, seen_again_s,
                   dict(books.dropped), len(report.leaks), len(since))  # fmt: skip

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


def recovered_s(seen: Sequence[Sighting]) -> float | None:
    """Return when frames began to be painted by regions again, for good, None if they never did.

    Frames that were on their way when the fault came are shown first: only what follows the last mosaic, or the last
    pause, counts.
    """
    begin_s, run, last_s = None, 0, None
    for one in seen:
        paused = last_s is not None and one.arrival_s - last_s > PAUSE_S
        last_s = one.arrival_s
        if one.kind != "clean":
            begin_s, run = None, 0
        elif begin_s is None or paused:
            begin_s, run = one.arrival_s, 1
        else:
            run += 1
    return begin_s if run >= CALM_FRAMES else None


def shown_s(seen: Sequence[Sighting]) -> float | None:
    """Return since when the enrolled person is to be seen, not counting frames that don't tell; None: she isn't."""
    telling = [one for one in seen if one.number is None or one.clear or one.shown]
    since_s, run = None, 0
    for one in telling:
        since_s, run = (since_s or one.arrival_s, run + 1) if one.clear else (None, 0)
    return since_s if run >= CALM_FRAMES else None


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
    return ", ".join(said) or "nothing"


def _lost(of: Sequence[Observation]) -> str:
    """Return the frames lost in the median run, by reason."""
    reasons = sorted({reason for one in of for reason in one.dropped})
    medians = {reason: round(statistics.median(one.dropped.get(reason, 0) for one in of)) for reason in reasons}
    return ", ".join(f"{count} {reason}" for reason, count in medians.items() if count) or "0"


if __name__ == "__main__":
    print(table(load(Path(sys.argv[1]))), end="")
