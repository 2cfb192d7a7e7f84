"""What a viewer saw, added up: leaks, order, freezes, and how far the sound is from the picture. No I/O, no clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthetic.clip import BEEP_HZ, BEEP_LEVEL, SAMPLE_RATE
from synthetic.oracle import FaceFinding, Judgement, Kind, Oracle, is_clear

FREEZE_S = 1.0
"""No picture for so long is a freeze, by presentation time (HLS arrives in bursts) and by arrival alike."""
_MIN_FRAMES_PLAYED = 30
_TOO_FAR_S = 0.45  # beeps come each second: further than this, nobody knows which flash belongs to which


@dataclass(frozen=True, slots=True)
class Leak:
    """One face that showed in one frame."""

    face: FaceFinding
    pts_s: float
    arrival_s: float


@dataclass(frozen=True, slots=True)
class PlaybackReport:
    """What came of watching a stream.

    Attributes:
        by_kind: frames by what the oracle called them.
        enrolled_visible: share of the enrolled people's faces in full view that showed; None if there were none.
        order_violations: (number before, number after) wherever the numbers went back; a clip's loop does not count.
        skipped: frames of the clip that were never seen between two that were.
        freezes: pauses of the picture longer than `FREEZE_S`, in the stream's own time.
        stalls: such pauses on arrival.
        av_offset_ms: how much later the beep came than its flash (median); None without both.
        problem: why watching ended before its time, if it did.
    """

    frames: int
    by_kind: dict[str, int]
    leaks: tuple[Leak, ...]
    enrolled_visible: float | None
    order_violations: tuple[tuple[int, int], ...]
    skipped: int
    freezes: int
    stalls: int
    longest_pause_s: float
    av_offset_ms: float | None
    problem: str | None

    @property
    def played(self) -> bool:
        """Whether there was a moving picture at all, with no unreadable frame in it, and numbers that never went back.

        A stream that was fully mosaicked all the time did not play.
        """
        unknown = self.by_kind.get(Kind.UNREADABLE, 0) + self.by_kind.get(Kind.FOREIGN, 0)
        seen = self.by_kind.get(Kind.CLEAN, 0) + self.by_kind.get(Kind.LEAK, 0)
        return seen >= _MIN_FRAMES_PLAYED and not unknown and not self.order_violations

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain lists, dicts and numbers."""
        return {**asdict(self), "played": self.played}

    def text(self) -> str:
        """Return it in a few lines for people."""
        kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(self.by_kind.items()))
        people = Counter(leak.face.person for leak in self.leaks)
        shown = "-" if self.enrolled_visible is None else f"{self.enrolled_visible:.1%}"
        sync = "-" if self.av_offset_ms is None else f"{self.av_offset_ms:+.0f} ms"
        lines = [
            f"frames            {self.frames} ({kinds})",
            f"leaked faces      {len(self.leaks)} {dict(people) if people else ''}".rstrip(),
            f"enrolled visible  {shown}",
            f"numbers           {len(self.order_violations)} times back, {self.skipped} skipped",
            f"pauses            {self.freezes} in the stream, {self.stalls} on arrival, {self.longest_pause_s:.2f} s",
            f"sound             {sync} after the picture",
        ]
        return "\n".join([*lines, *([f"broke off         {self.problem}"] if self.problem else [])])


class Watcher:
    """Judges frames as they come, and remembers what the report needs.

    Attributes:
        arrivals: (frame number, arrival in monotonic seconds) of every readable frame.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._kinds: Counter[str] = Counter()
        self._leaks: list[Leak] = []
        self._enrolled: list[bool] = []
        self._order = _Order(oracle)
        self._flash: tuple[int, bool] | None = None
        self._flashes_s: list[float] = []
        self._times: list[tuple[float, float]] = []
        self.arrivals: list[tuple[int, float]] = []

    def see(self, luma: NDArray[np.uint8], pts_s: float, arrival_s: float) -> Judgement:
        """Judge the next frame: its luma plane, presentation time, and when it arrived."""
        found = self._oracle.judge(luma)
        self._kinds[found.kind.value] += 1
        self._leaks.extend(Leak(face, pts_s, arrival_s) for face in found.leaks)
        self._enrolled.extend(is_clear(face.masked) for face in found.enrolled)
        self._times.append((pts_s, arrival_s))
        if found.number is not None and found.kind is not Kind.FOREIGN:
            self.arrivals.append((found.number, arrival_s))
            self._order.see(found.number, arrival_s)
            self._see_flash(found.number, found.flash, pts_s)
        return found

    def report(self, beeps_s: Sequence[float] = (), problem: str | None = None) -> PlaybackReport:
        """Add up. `beeps_s` are the presentation times at which beeps began."""
        pauses = np.diff(np.array(self._times, dtype=np.float64).reshape(-1, 2), axis=0)
        return PlaybackReport(
            frames=len(self._times),
            by_kind=dict(self._kinds),
            leaks=tuple(self._leaks),
            enrolled_visible=float(np.mean(self._enrolled)) if self._enrolled else None,
            order_violations=tuple(self._order.violations),
            skipped=self._order.skipped,
            freezes=int((pauses[:, 0] > FREEZE_S).sum()),
            stalls=int((pauses[:, 1] > FREEZE_S).sum()),
            longest_pause_s=float(pauses[:, 0].max(initial=0.0)),
            av_offset_ms=measure_av_sync(self._flashes_s, beeps_s),
            problem=problem,
        )

    def _see_flash(self, number: int, flash: bool, pts_s: float) -> None:
        """Note a flash's beginning, if the frame right before it was seen dark."""
        if self._flash is not None and flash and not self._flash[1] and number - self._flash[0] == 1:
            self._flashes_s.append(pts_s)
        self._flash = number, flash


class _Order:
    """Do frame numbers only ever go forward? A clip's loop goes on from its last number to its first.

    After a pause of half a loop or more nobody can tell forward from back: it counts as forward.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._last: tuple[int, int] | None = None
        self._last_s = 0.0
        self.violations: list[tuple[int, int]] = []
        self.skipped = 0

    def see(self, number: int, arrival_s: float) -> None:
        clip = next(index for index, clip in enumerate(self._oracle.clips) if number in clip.truth)
        if self._last is not None:
            step = self._step(clip, number, arrival_s - self._last_s)
            if step < 0:
                self.violations.append((self._last[1], number))
            self.skipped += max(0, step - 1)
        self._last, self._last_s = (clip, number), arrival_s

    def _step(self, clip: int, number: int, pause_s: float) -> int:
        """Return how far the number went on; from clip to clip one forward, or one back."""
        last_clip, last_number = self._last or (clip, number)
        if clip != last_clip:
            return 1 if clip > last_clip else -1
        truth = self._oracle.clips[clip].truth
        length = len(truth.frames)
        step = (number - last_number) % length
        return step if step <= length // 2 or pause_s * truth.fps >= length / 2 else step - length


class BeepFinder:
    """Finds where beeps begin in sound that comes in pieces.

    Attributes:
        onsets_s: presentation times of the beginnings so far.
    """

    def __init__(self) -> None:
        self._quiet_s = 0.0
        self.onsets_s: list[float] = []

    def hear(self, samples: NDArray[np.float32], pts_s: float) -> None:
        """Take the next mono samples at `SAMPLE_RATE`, and the presentation time of their first."""
        step = SAMPLE_RATE // BEEP_HZ  # one period of the beep: 1 ms
        for index in range(len(samples) // step):
            level = float(np.abs(samples[index * step : (index + 1) * step]).max())
            if level < BEEP_LEVEL / 4:
                self._quiet_s += 1 / BEEP_HZ
            elif level > BEEP_LEVEL / 2:
                # A beep begins after silence; a ripple within one does not.
                if self._quiet_s > 0.3:
                    self.onsets_s.append(pts_s + index / BEEP_HZ)
                self._quiet_s = 0.0


def measure_av_sync(flashes_s: Sequence[float], beeps_s: Sequence[float]) -> float | None:
    """Return by how many milliseconds beeps begin after their flashes (median), or None without pairs.

    Args:
        flashes_s, beeps_s: presentation times of the beginnings, in the same stream's time.
    """
    beeps = np.array(beeps_s, dtype=np.float64)
    if not flashes_s or not len(beeps):
        return None
    nearest = [float(beeps[np.abs(beeps - flash).argmin()] - flash) for flash in flashes_s]
    pairs = [offset for offset in nearest if abs(offset) < _TOO_FAR_S]
    return float(np.median(pairs)) * 1000 if pairs else None
