"""Packet times as sources really send them: missing, jumping, longer than sane."""

from dataclasses import dataclass, field
from fractions import Fraction

REPAIRED_BACK_S = Fraction(-1, 2)
"""Decoding times that we invented may be so far ahead of later ones of the source (Matroska leaves out the first ones).
Pictures that go back are noticed after decoding, however small their step is."""
FORWARD_JUMP_S = Fraction(30)
"""Longer than any pause between two frames of a slide show; a live source silent for so long is cut off before."""


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one packet, in ticks."""

    pts: int
    dts: int
    duration: int
    told: bool = field(default=True, compare=False)
    """`dts` is the source's own, or the source needs none because it shows pictures in the order in which it sends
    them."""


class TrackClock:
    """Repairs the times of one track and notices when its clock jumps.

    Args:
        time_base: seconds per tick.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._last: Times | None = None

    def repair(self, pts: int | None, dts: int | None, duration: int | None, *, reorders: bool) -> Times | None:
        """Return usable times, or None where the presentation time can't be known.

        Args:
            pts: presentation time in ticks, if the source says.
            dts: decoding time in ticks, if the source says.
            duration: in ticks, if the source says.
            reorders: whether the codec shows pictures in another order than it sends them (B-frames).
        """
        span = max(0, duration or 0)
        if pts is None:
            pts = None if reorders else self._next_dts(dts)
        if pts is None:
            return None
        if dts is None:
            # B-frames: any time not after pts and not before the last keeps a decoder content.
            dts = min(pts, self._next_dts(None) or pts) if reorders else pts
            return Times(pts, min(pts, dts), span, told=not reorders)
        return Times(pts, min(pts, dts), span, told=dts <= pts)

    def jumps(self, times: Times) -> bool:
        """Return whether `times` can't follow those accepted last: decoding times only grow.

        However small the step back is, the pictures after it would lie between others that were analysed already.
        """
        if self._last is None:
            return False
        step_s = (times.dts - self._last.dts) * self._time_base
        back_s = 0 if times.told and self._last.told else REPAIRED_BACK_S
        return step_s < back_s or step_s > FORWARD_JUMP_S

    def shown_late_s(self, times: Times) -> Fraction:
        """Return how long after its decoding a picture is shown, seconds."""
        return (times.pts - times.dts) * self._time_base

    def accept(self, times: Times) -> None:
        """Remember a packet that was used."""
        self._last = times

    def reset(self) -> None:
        """Forget: the next packet begins a new timeline."""
        self._last = None

    def _next_dts(self, dts: int | None) -> int | None:
        if dts is not None or self._last is None:
            return dts
        return self._last.dts + self._last.duration
