"""How shots follow one another: clean cuts, cuts with blended frames, gradual transitions.

In a dissolve, a cross-fade or a frame that a converter blended, every part of the picture goes the same share of the
way from the old picture to the new one at the same time. Where people or the camera move, each part changes at its own
moment. So a stretch of frames is taken for a blend if most of the picture changes, evenly, and each frame between its
ends is the same mixture of the two everywhere.

Measured on thumbnails of 64 x 36 (12 clips of 6,181 frames, and some hundred joins of them; `python -m
bench.transitions` joins whole clips): at 16 x 9 cells a pan looks like a dissolve, for cells are as wide as its steps,
and eight times as many frames of plain motion are taken for blends.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import MediaTime

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TransitionPolicy:
    """When frames count as a blend. Differences are in grey levels of 0 to 255, steps in shares of an even step."""

    spans: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 27)
    """Lengths that are tried, in frames from end to end: 2 has one frame between its ends."""
    ahead_s: Fraction = Fraction(3, 10)
    """So much after a frame must have been decoded when it leaves, or it would leave before it is seen to be one of a
    blend: of a dissolve, a third of the other shot did when frames were decoded late (0.2 s are too little)."""
    longest_s: Fraction = Fraction(9, 20)
    """Of longer transitions a part is seen at a time: a live frame leaves 0.35 s after it is decoded."""
    least_difference: float = 4.0
    """Of the two ends, on average. A dissolve of 1.5 s changes by 4 to 15 in 0.4 s."""
    changed: float = 6.0
    """A pixel that differs by more has changed."""
    least_changed: float = 0.5
    """At least this share of the pixels has changed. One person who moves changes less."""
    agreeing: float = 0.65
    """Of what has changed, so much is the same mixture of the ends (see `slack`). Many people who cross reach 0.6."""
    slack: tuple[float, float] = (0.15, 1.5)
    """Two mixtures are the same if the shares differ by less than this, or the pixel by so many levels."""
    every: int = 3
    """Of the pixels that have changed, each third is asked: as telling as all, in a third of the time."""
    largest_rest: float = 0.45
    """What the mixture leaves unexplained, of the difference (root mean square): the motion within both shots."""
    largest_step: tuple[float, float, float] = (1.8, 2.4, 2.2)
    """Of the way in one frame, for spans of 2, of 3, and longer ones; a clean cut makes the whole way in one."""
    exposure: tuple[float, float] = (0.7, 1.4)
    """Ends of one contrast within these bounds, and alike but for `largest_exposure_rest`, are one shot in another
    light: an automatic exposure. Fades to black or white go further."""
    largest_exposure_rest: float = 0.4
    bridge_s: Fraction = Fraction(3, 10)
    """Two blends no further apart are one transition: people who move hide a part of it."""
    churn_s: Fraction = Fraction(2, 15)
    """The span in which `least_churning` is measured."""
    least_churning: float = 0.4
    """A transition goes on while at least this share of the picture changes. The coarsest frames of a pixelating one
    are no mixture of others, and no detector sees the faces in them."""
    longest_churn_s: Fraction = Fraction(3, 2)
    """It goes on no longer than this after the last frame that is a mixture: motion alone is no transition."""
    margin: int = 3
    """Frames on both sides of a blend that belong to it: faces of a tenth of the weight are there already."""
    pure: float = 0.12
    """Farthest from its own shot that a frame beside a clean cut lies, of the way across: a weight that nobody sees."""
    beside: int = 2
    """Frames on each side of any cut that masks of the other side reach into."""
    cutting: float = 0.7
    """So much of what changes at a clean cut goes all the way in one frame: of a wipe in three steps two thirds do."""
    least_cut: float = 0.25
    """A cut that changes less of the picture is not seen well enough to be called clean, nor does it mix two shots."""


@dataclass(frozen=True, slots=True)
class _Frame:
    time: MediaTime
    luma: Floats | None
    """[pixels]; None: it could not be read."""


@dataclass(slots=True)
class _Blend:
    """Frames that are blended, margins aside: numbers of the first and last frame."""

    first: int
    last: int
    mixed_at: MediaTime
    """Time of the last frame that is seen to be a mixture; the picture may churn on after it."""


class Transitions:
    """The frames of one epoch, in rising order of time."""

    def __init__(self, policy: TransitionPolicy | None = None) -> None:
        self.policy = policy or TransitionPolicy()
        self._frames: list[_Frame] = []
        self._first = 0
        """Number of the oldest frame that is kept."""
        self._blends: list[_Blend] = []
        self._begun: MediaTime | None = None
        """Time of the first frame of all."""
        self._midway = self._ended = False

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, time: MediaTime, luma: NDArray[np.uint8] | None) -> None:
        """Take in a decoded frame. One that is not later than the one before is ignored.

        Args:
            luma: uint8 [height, width], always of one small size; None where the picture could not be read.
        """
        if self._frames and time <= self._frames[-1].time:
            return
        self._begun = time if self._begun is None else self._begun
        flat = None if luma is None else luma.astype(np.float32).ravel()
        self._frames.append(_Frame(time, flat))
        newest = self._first + len(self._frames) - 1
        for span in self.policy.spans:
            if span >= len(self._frames) or time - self._frames[-1 - span].time > self.policy.longest_s:
                break
            mixed = self._mixed(self._frames[-1 - span :])
            if len(mixed):
                self._note(newest - span + int(mixed[0]), newest - span + int(mixed[-1]))
        self._churn_on(newest)

    def forget_before(self, time: MediaTime) -> None:
        """Drop what can no longer matter for frames from `time` on."""
        keep = bisect_left(self._frames, time - self.policy.longest_s, key=_time)
        keep = max(0, min(keep - self.policy.beside - 1, len(self._frames)))
        del self._frames[:keep]
        self._first += keep
        reach = int(self.policy.margin)
        self._blends = [blend for blend in self._blends if blend.last + reach >= self._first]

    def gradual(self, time: MediaTime) -> bool:
        """Return whether the frame at `time` is, or may be, a mixture of two shots. One that was not seen may be."""
        place = bisect_left(self._frames, time, key=_time)
        if place == len(self._frames) or self._frames[place].time != time or self._frames[place].luma is None:
            return True
        if self._unsettled(place):
            return True
        number, margin = self._first + place, self.policy.margin
        return any(blend.first - margin <= number <= blend.last + margin for blend in self._blends)

    def begins_midway(self) -> None:
        """The first frame is not the first of its epoch: a blend may have begun before it."""
        self._midway = True

    def end(self) -> None:
        """No frame follows the newest."""
        self._ended = True

    def _unsettled(self, place: int) -> bool:
        """Whether too little is known around a frame to tell that it is no blend."""
        policy, time = self.policy, self._frames[place].time
        if not self._ended and self._frames[-1].time < time + policy.ahead_s:
            return True
        if self._midway and self._begun is not None and time - self._begun <= policy.longest_s:
            return True
        around = self._frames[max(0, place - 1) : place + 2]
        return len(around) == 3 and around[2].time - around[0].time > policy.longest_s

    def just_over(self) -> bool:
        """Return whether a transition is taken to have ended at the newest frame: another shot begins here."""
        newest = self._first + len(self._frames) - 1
        return bool(self._blends) and newest == self._blends[-1].last + self.policy.margin

    def reach(self, time: MediaTime) -> bool:
        """Return whether all frames are known that could tell more of the frame at `time`."""
        return bool(self._frames) and self._frames[-1].time >= time + self.policy.longest_s + self.policy.bridge_s

    def parts(self, cut: MediaTime, time: MediaTime) -> bool:
        """Return whether nothing of a cut's other side is in the frame at `time`, nor may be."""
        return self.clean(cut) and not self.beside(time, cut)

    def beside(self, time: MediaTime, cut: MediaTime) -> bool:
        """Return whether the frame at `time` is one of the last before a cut or the first after it."""
        here, there = (bisect_left(self._frames, moment, key=_time) for moment in (time, cut))
        return -self.policy.beside <= here - there < self.policy.beside

    def clean(self, cut: MediaTime) -> bool:
        """Return whether the frames on both sides of a cut are known to be of their own shots alone.

        Args:
            cut: time of the first frame of the new shot.
        """
        lumas = self._around(cut)
        return lumas is not None and self._is_clean_step(lumas)

    def mixes(self, cut: MediaTime) -> bool:
        """Return whether frames beside a cut may be mixtures: it is not clean, and the picture does change there."""
        lumas = self._around(cut)
        if lumas is None:
            return True
        changed = np.abs(lumas[3] - lumas[0]) > self.policy.changed
        return float(changed.mean()) >= self.policy.least_cut and not self._is_clean_step(lumas)

    def _around(self, cut: MediaTime) -> Floats | None:
        """Return the two frames before a cut and the two from it on; None unless all are known, and no blend there."""
        place = bisect_left(self._frames, cut, key=_time)
        around = self._frames[place - 2 : place + 2] if place >= 2 else []
        number = self._first + place
        if len(around) < 4 or around[2].time != cut or any(b.first <= number <= b.last + 1 for b in self._blends):
            return None
        return _lumas(around)

    def _is_clean_step(self, lumas: Floats) -> bool:
        """Whether most of what changes goes all the way from the second frame to the third."""
        way = lumas[3] - lumas[0]
        changed = np.flatnonzero(np.abs(way) > self.policy.changed)
        if len(changed) < self.policy.least_cut * len(way):
            return False
        before, after = (lumas[1:3, changed] - lumas[0, changed]) / way[changed]
        slack = self.policy.slack[0] + self.policy.slack[1] / np.abs(way[changed])
        # Medians, and most of the picture: people who move in either shot, or a clock that ticks, do not count.
        pure = (
            abs(float(np.median(before))) <= self.policy.pure and abs(1 - float(np.median(after))) <= self.policy.pure
        )
        most = min(float((np.abs(off) < slack).mean()) for off in (before, 1 - after))
        return pure and most >= self.policy.cutting

    def _note(self, first: int, last: int) -> None:
        """Join a blend with the one before it if they are near, in time."""
        mixed_at = self._frames[last - self._first].time
        while self._blends and self._near(self._blends[-1].last, first):
            older = self._blends.pop()
            first, last, mixed_at = min(first, older.first), max(last, older.last), max(mixed_at, older.mixed_at)
        self._blends.append(_Blend(first, last, mixed_at))

    def _churn_on(self, newest: int) -> None:
        """Have the last blend reach up to the newest frame if the picture has not come to rest since."""
        policy, time = self.policy, self._frames[-1].time
        if not self._blends or time > self._blends[-1].mixed_at + policy.longest_churn_s:
            return
        blend, since = self._blends[-1], bisect_right(self._frames, time - policy.churn_s, key=_time) - 1
        # After the last mixture, or the end of every dissolve would count for churn.
        if since >= 0 and 1 <= self._first + since - blend.last <= 2 and self._changes(since):
            blend.last = max(blend.last, newest - 1)

    def _changes(self, since: int) -> bool:
        """Whether most of the picture is another one now than it was at a place."""
        first, last = self._frames[since].luma, self._frames[-1].luma
        if first is None or last is None or first.shape != last.shape:
            return True
        return float((np.abs(last - first) > self.policy.changed).mean()) >= self.policy.least_churning

    def _near(self, one: int, other: int) -> bool:
        """Whether a blend up to frame `one` and another from frame `other` on are parts of one transition."""
        if other <= one + 1:
            return True
        places = max(0, one - self._first), max(0, other - self._first)
        return self._frames[places[1]].time - self._frames[places[0]].time <= self.policy.bridge_s

    def _mixed(self, frames: list[_Frame]) -> NDArray[np.intp]:
        """Return the places of the frames that are mixtures of the first and the last, none if not all others are."""
        nothing = np.zeros(0, np.intp)
        first, last = frames[0].luma, frames[-1].luma
        if first is None or last is None or first.shape != last.shape:
            return nothing
        size = np.abs(last - first)
        if float(size.mean()) < self.policy.least_difference:
            return nothing
        changed = size > self.policy.changed
        if float(changed.mean()) < self.policy.least_changed:
            return nothing
        lumas = _lumas(frames)
        if lumas is None or not self._is_explained(lumas):
            return nothing
        shares = self._shares_everywhere(lumas, np.flatnonzero(changed)[:: self.policy.every])
        if shares is None or not self._is_new(lumas):
            return nothing
        return np.flatnonzero((shares > self.policy.pure / 2) & (shares < 1 - self.policy.pure / 2))

    def _is_explained(self, lumas: Floats) -> bool:
        """Whether little is left besides a mixture of the ends."""
        way = lumas[-1] - lumas[0]
        rest = lumas - lumas[0] - _shares(lumas, way)[:, None] * way
        return float((rest * rest).sum(axis=1).max()) <= self.policy.largest_rest**2 * float(way @ way)

    def _shares_everywhere(self, lumas: Floats, places: NDArray[np.intp]) -> Floats | None:
        """Return the share of the last frame in each; None where parts of the picture are different mixtures.

        Nor if one frame makes most of the way: that is a cut.
        """
        way = lumas[-1, places] - lumas[0, places]
        local = (lumas[1:-1, places] - lumas[0, places]) / way
        inner = np.median(local, axis=1)
        share_slack, levels = self.policy.slack
        agreeing = np.abs(local - inner[:, None]) < share_slack + levels / np.abs(way)
        shares = np.array([0.0, *inner, 1.0], np.float32)
        steps = np.diff(shares) * (len(shares) - 1)
        limit = self.policy.largest_step[min(len(steps), len(self.policy.largest_step) + 1) - 2]
        even = steps.max() <= limit and steps.min() >= 0.0
        return shares if even and float(agreeing.mean()) >= self.policy.agreeing else None

    def _is_new(self, lumas: Floats) -> bool:
        """Whether the ends are two pictures, not one in another light."""
        one, other = lumas[0] - lumas[0].mean(), lumas[-1] - lumas[-1].mean()
        gain = float(one @ other) / max(1.0, float(one @ one))
        rest, way = other - gain * one, lumas[-1] - lumas[0]
        darkest, brightest = self.policy.exposure
        alike = float(rest @ rest) < self.policy.largest_exposure_rest**2 * float(way @ way)
        return not (alike and darkest < gain < brightest)


def _shares(lumas: Floats, way: Floats) -> Floats:
    """Return how far each frame is on the way from the first, 0 to 1 for mixtures."""
    return np.asarray((lumas - lumas[0]) @ way / max(1.0, float(way @ way)), np.float32)


def _lumas(frames: list[_Frame]) -> Floats | None:
    """Return the frames as [frames, pixels]; None unless all could be read and are of one size."""
    lumas = [frame.luma for frame in frames if frame.luma is not None]
    if len(lumas) < len(frames) or len({luma.shape for luma in lumas}) > 1:
        return None
    return np.stack(lumas)


def _time(frame: _Frame) -> MediaTime:
    return frame.time
