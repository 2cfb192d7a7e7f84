"""From labelled scores to curves and thresholds: what a detector or a recogniser lets pass, and at what price.

Everywhere: a score is a similarity or a confidence, higher means more alike; genuine scores are of the same person (or
of a true face), impostor scores of two persons (or of no face); a score passes a threshold when it is at or above it.
Functions raise ValueError for scores that are not finite or not there at all: a figure made from nothing is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta
from sklearn.metrics import precision_recall_curve, roc_curve

Scores = NDArray[np.float64]

CONFIDENCE = 0.95
"""How sure a stated rate is, where nothing else is asked for: at 0.95 "no impostor of n" means a rate below 3/n."""
CANDIDATES = 512
"""Thresholds of the first network that are tried for a pair: beyond, only time grows."""


@dataclass(frozen=True, slots=True)
class Roc:
    """Both rates at every threshold where one of them changes, thresholds falling from infinity.

    ROC draws `true_match_rate` over `false_match_rate`; DET draws `miss_rate` over it, both axes logarithmic.
    """

    thresholds: Scores
    false_match_rate: Scores
    true_match_rate: Scores

    @property
    def miss_rate(self) -> Scores:
        """Share of genuine scores that do not pass."""
        return 1.0 - self.true_match_rate

    @property
    def equal_error_rate(self) -> float:
        """The rate at which strangers pass as often as the person does not, in the middle of the nearest point."""
        nearest = int(np.argmin(np.abs(self.false_match_rate - self.miss_rate)))
        return float(self.false_match_rate[nearest] + self.miss_rate[nearest]) / 2


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """Precision and recall at every threshold where one of them changes, thresholds falling."""

    thresholds: Scores
    precision: Scores
    recall: Scores

    @property
    def average_precision(self) -> float:
        """Area under the curve of the best precision at each recall or beyond (PASCAL VOC from 2010 on)."""
        best = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float(np.sum(np.diff(self.recall, prepend=0.0) * best))

    @property
    def best_f1(self) -> tuple[float, float]:
        """The largest harmonic mean of precision and recall, and the highest threshold that reaches it."""
        f1 = 2 * self.precision * self.recall / np.maximum(self.precision + self.recall, np.finfo(float).tiny)
        best = int(np.argmax(f1))
        return float(f1[best]), float(self.thresholds[best])


@dataclass(frozen=True, slots=True)
class Operating:
    """What happens at one threshold."""

    threshold: float
    false_match_rate: float
    """Measured, on these impostors."""
    true_match_rate: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A threshold for a false-match rate, and how far the impostors at hand prove it."""

    threshold: float
    false_matches: int
    comparisons: int
    rate_at_most: float
    """The false-match rate is below this with the confidence that was asked for."""
    proven: bool
    """Whether `rate_at_most` is within what was asked for. If not, no impostor passes, but there are too few."""


def roc(genuine: ArrayLike, impostor: ArrayLike) -> Roc:
    """Return the rates at every distinct score; the first point is (0, 0) at infinity, the last (1, 1)."""
    truth, scores = _labelled(checked(genuine), checked(impostor))
    false, true, thresholds = roc_curve(truth, scores, drop_intermediate=False)
    return Roc(thresholds, false, true)


def precision_recall(true: ArrayLike, false: ArrayLike, missed: int = 0) -> PrecisionRecall:
    """Return precision and recall at every distinct score.

    Args:
        true: scores of what was found and is there.
        false: scores of what was found and is not; may be empty.
        missed: how many that are there got no score at all: they count against recall at every threshold.
    """
    hits = checked(true)
    truth, scores = _labelled(hits, checked(false, least=0))
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    # The library counts thresholds upwards, ends with a point of its own at no recall, and knows of nobody missed.
    share = len(hits) / (len(hits) + missed)
    return PrecisionRecall(thresholds[::-1], precision[-2::-1], recall[-2::-1] * share)


def operating(genuine: ArrayLike, impostor: ArrayLike, threshold: float) -> Operating:
    """Return the two rates at one threshold."""
    same, other = checked(genuine), checked(impostor)
    at = np.array([threshold])
    return Operating(threshold, float(passing(other, at)[0]) / len(other), float(passing(same, at)[0]) / len(same))


def tar_at_far(genuine: ArrayLike, impostor: ArrayLike, far: float) -> Operating:
    """Return the lowest threshold that at most a share `far` of the impostors passes, and what passes there.

    With fewer than 1 / far impostors none may pass.
    """
    other = checked(impostor)
    # A share such as 0.07 of 100 is 7.000000000000001: whole numbers are meant to be reached.
    allowed = int(np.floor(far * len(other) + 1e-9))
    return operating(genuine, other, threshold_letting(other, allowed))


def threshold_for(impostor: ArrayLike, false_match_rate: float, confidence: float = CONFIDENCE) -> Recommendation:
    """Return the lowest threshold whose false-match rate is proven to be at most what is asked for.

    The measured rate alone proves nothing when few impostors pass; the upper limit of its exact confidence interval
    does (`rate_bound`). It counts comparisons as independent; those of the same two persons are not, so a set with few
    persons proves less than it says.

    Raises:
        ValueError: no impostors, or a rate or confidence outside 0 to 1.
    """
    if not 0 < false_match_rate < 1:
        raise ValueError(f"a false-match rate of {false_match_rate} is not between 0 and 1")
    other = checked(impostor)
    allowed = provable(len(other), false_match_rate, confidence)
    passes = max(0, allowed)
    bound = rate_bound(passes, len(other), confidence)
    threshold = threshold_letting(other, passes)
    matches = int(passing(other, np.array([threshold]))[0])
    return Recommendation(
        threshold, matches, len(other), min(bound, rate_bound(matches, len(other), confidence)), allowed >= 0
    )


def rate_bound(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Return the rate that the true one is below with this confidence, after `events` in `trials` independent ones.

    Exact and one-sided (Clopper and Pearson 1934). Without any event it is 1 - (1 - confidence)^(1/n), the rule of
    three: 3/n at 0.95 (Hanley and Lippman-Hand 1983).

    Raises:
        ValueError: no trials, more events than trials, or a confidence outside 0 to 1.
    """
    if not (0 <= events <= trials and trials > 0):
        raise ValueError(f"{events} of {trials} is no rate")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")
    return 1.0 if events == trials else float(beta.ppf(confidence, events + 1, trials - events))


def provable(trials: int, rate: float, confidence: float = CONFIDENCE) -> int:
    """Return the largest number of events in so many trials that still proves a rate; -1 if not even none does."""
    low, high = -1, trials
    while high - low > 1:
        middle = (low + high) // 2
        if rate_bound(middle, trials, confidence) <= rate:
            low = middle
        else:
            high = middle
    return low


def threshold_letting(scores: ArrayLike, count: int) -> float:
    """Return the lowest threshold that at most `count` of the scores pass; -infinity if all may."""
    falling = np.sort(checked(scores))[::-1]
    return -np.inf if count >= len(falling) else float(np.nextafter(falling[count], np.inf))


def track_score(similarities: ArrayLike, votes: int) -> float:
    """Return the highest threshold at which `votes` embeddings in a row pass: what a track reaches, by one number.

    One embedding below voids those before it, as in the identity machine. -infinity for fewer of them than votes.

    Args:
        similarities: similarities of one track to one person, in order.
        votes: at least 1.
    """
    if votes < 1:
        raise ValueError("a track needs at least one vote")
    values = checked(similarities, least=0)
    if len(values) < votes:
        return -np.inf
    windows = np.lib.stride_tricks.sliding_window_view(values, votes)
    return float(windows.min(axis=1).max())


def agrees(similarities: ArrayLike, thresholds: Sequence[float], votes: int) -> bool:
    """Return whether `votes` embeddings in a row pass the threshold of every network at once.

    Args:
        similarities: [n, networks], in order.
    """
    values = np.asarray(similarities, np.float64).reshape(-1, len(thresholds))
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    return track_score((values >= np.asarray(thresholds)).all(axis=1), votes) >= 1.0


def pair_for(genuine: ArrayLike, impostor: ArrayLike, allowed: int = 0) -> tuple[float, float]:
    """Return the thresholds of two networks that both have to say yes, for the most genuine scores.

    Exact for up to `CANDIDATES` genuine scores; of more, that many quantiles are tried as the first threshold.

    Args:
        genuine: [n, 2].
        impostor: [m, 2].
        allowed: how many impostors may pass both.

    Returns:
        The pair at which at most `allowed` impostors pass; the lowest first threshold of equally good ones.
    """
    same, other = checked(genuine, columns=2), checked(impostor, columns=2)
    falling = other[np.argsort(-other[:, 0])]
    best, chosen = -1, (np.inf, np.inf)
    highest, taken = np.empty(0), 0  # the second scores that matter of those whose first one passes
    for first in _candidates(same[:, 0]):
        passed = int(np.searchsorted(-falling[:, 0], -first, side="right"))
        highest = np.sort(np.concatenate([highest, falling[taken:passed, 1]]))[::-1][: allowed + 1]
        taken = passed
        second = threshold_letting(highest, allowed) if len(highest) else -np.inf
        count = int(np.sum((same[:, 0] >= first) & (same[:, 1] >= second)))
        if count >= best:
            best, chosen = count, (float(first), second)
    return chosen


def _candidates(scores: Scores) -> Scores:
    """Return falling thresholds to try."""
    distinct = np.unique(scores)
    if len(distinct) > CANDIDATES:
        distinct = np.unique(np.quantile(distinct, np.linspace(0, 1, CANDIDATES), method="lower"))
    return distinct[::-1]


def z_sum(scores: ArrayLike, impostor: ArrayLike) -> Scores:
    """Return the sum of several networks' scores, each in standard deviations above its mean impostor.

    Args:
        scores: [n, networks].
        impostor: [m, networks].
    """
    other = checked(impostor, columns=np.shape(impostor)[-1])
    deviation = other.std(axis=0)
    if not deviation.all():
        raise ValueError("a network gives all impostors the same score")
    z = (checked(scores, columns=other.shape[1]) - other.mean(axis=0)) / deviation
    return np.asarray(z.sum(axis=1), np.float64)


def passing(scores: Scores, thresholds: Scores) -> NDArray[np.int64]:
    """Return how many scores pass each threshold."""
    return np.asarray(len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left"), np.int64)


def checked(scores: ArrayLike, *, least: int = 1, columns: int | None = None) -> Scores:
    """Return scores as float64: [n], or [n, columns].

    Raises:
        ValueError: fewer than `least`, or not finite.
    """
    shape: Any = (-1,) if columns is None else (-1, columns)
    values = np.asarray(scores, np.float64).reshape(shape)
    if len(values) < least:
        raise ValueError("there are no scores")
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    return values


def _labelled(same: Scores, other: Scores) -> tuple[NDArray[np.bool_], Scores]:
    """Return whether each score is of the same person, and all scores, as scikit-learn takes them."""
    return np.repeat([True, False], [len(same), len(other)]), np.concatenate([same, other])
