"""Where sound belongs among the pictures, when the clocks of both disagree."""

import statistics
from fractions import Fraction

FAR_S = 1.0
"""Encoders send sound and picture of one moment within this, whatever they buffer. Beyond it there are two clocks."""
LASTING = 20
"""So many pieces of sound in a row have to be astray, nearly half a second of AAC: a stall of the way is over
by then."""
_WRAP_S = Fraction(2**32, 1000)
"""FLV counts milliseconds in 32 bits: times so far apart are one."""


class SoundClock:
    """Moves sound whose clock is another one than the picture's to where it arrives.

    A time of sound is told from its place in the stream and from the clock: what came just before, and what the picture
    would be now. Sound is in place if either says so: without pictures (a still source) the first is wrong, and in the
    burst after a stall the second.
    """

    def __init__(self) -> None:
        self.shift_s = Fraction(0)
        """Added to the times of sound."""
        self._picture_s: Fraction | None = None
        self._arrived_s = 0.0
        self._astray: list[float] = []

    @property
    def ahead_s(self) -> float:
        """How far the clock of the sound is ahead of the picture's; 0 where it is the same."""
        return -float(self.shift_s)

    def on_picture(self, decode_time_s: Fraction, now: float) -> None:
        """Take note of a picture that arrived at `now` (monotonic seconds)."""
        self._picture_s, self._arrived_s = decode_time_s, now

    def place(self, time_s: Fraction, now: float) -> Fraction | None:
        """Return the picture's time for sound of `time_s` that arrives at `now`; None: it can't be told yet."""
        if self._picture_s is None:
            return time_s + self.shift_s
        time_s -= _WRAP_S * round((time_s + self.shift_s - self._picture_s) / _WRAP_S)
        by_order = float(time_s + self.shift_s - self._picture_s)
        by_clock = by_order - (now - self._arrived_s)
        if min(abs(by_order), abs(by_clock)) <= FAR_S:
            self._astray.clear()
            return time_s + self.shift_s
        self._astray.append(by_clock)
        if len(self._astray) < LASTING:
            return None
        self.shift_s -= Fraction(round(statistics.median(self._astray) * 1000), 1000)
        self._astray.clear()
        return time_s + self.shift_s
