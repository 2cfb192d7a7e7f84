"""Curves and thresholds: what they promise, checked against counting by hand on any scores."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mosaicast.evaluation import calibration as cal

# Few distinct values: ties are where such code is wrong.
score = st.one_of(st.integers(-3, 3).map(float), st.floats(-1, 1, allow_subnormal=False))
scores = st.lists(score, min_size=1, max_size=40)
rates = st.floats(0.001, 0.5)


def share(values: list[float], threshold: float) -> float:
    return sum(value >= threshold for value in values) / len(values)


# --- curves ---------------------------------------------------------------------------------------------------


@given(scores, scores)
def test_every_point_of_the_roc_is_what_counting_says(genuine: list[float], impostor: list[float]) -> None:
    curve = cal.roc(genuine, impostor)
    for threshold, far, tar in zip(curve.thresholds, curve.false_match_rate, curve.true_match_rate, strict=True):
        assert far == pytest.approx(share(impostor, threshold))
        assert tar == pytest.approx(share(genuine, threshold))


@given(scores, scores)
def test_the_roc_goes_from_nobody_to_everybody_and_never_back(genuine: list[float], impostor: list[float]) -> None:
    curve = cal.roc(genuine, impostor)
    assert (curve.false_match_rate[0], curve.true_match_rate[0]) == (0, 0)
    assert (curve.false_match_rate[-1], curve.true_match_rate[-1]) == (1, 1)
    assert (np.diff(curve.thresholds) < 0).all()
    assert (np.diff(curve.false_match_rate) >= 0).all()
    assert (np.diff(curve.true_match_rate) >= 0).all()


def test_equal_error_rate() -> None:
    assert cal.roc([0.8, 0.9], [0.1, 0.2]).equal_error_rate == 0.0
    assert cal.roc([0.1, 0.9], [0.2, 0.0]).equal_error_rate == pytest.approx(0.5)
    assert cal.roc([0.1, 0.2], [0.8, 0.9]).equal_error_rate == pytest.approx(1.0)


@given(scores, st.lists(score, max_size=40), st.integers(0, 5))
def test_precision_and_recall_are_what_counting_says(true: list[float], false: list[float], missed: int) -> None:
    curve = cal.precision_recall(true, false, missed)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        hits, wrong = sum(t >= threshold for t in true), sum(f >= threshold for f in false)
        assert precision == pytest.approx(hits / (hits + wrong))
        assert recall == pytest.approx(hits / (len(true) + missed))
    assert 0.0 <= curve.average_precision <= 1.0 + 1e-9


def test_average_precision_of_known_curves() -> None:
    assert cal.precision_recall([3, 2], [1]).average_precision == pytest.approx(1.0)
    assert cal.precision_recall([3, 2], [], missed=2).average_precision == pytest.approx(0.5)
    assert cal.precision_recall([3, 1], [2]).average_precision == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_the_best_f1_is_at_the_highest_threshold_that_reaches_it() -> None:
    f1, threshold = cal.precision_recall([0.9, 0.7], [0.5, 0.4]).best_f1
    assert f1 == pytest.approx(1.0)
    assert threshold == 0.7


# --- thresholds -----------------------------------------------------------------------------------------------


@given(scores, scores, rates)
def test_tar_at_far_keeps_the_far_and_no_lower_threshold_does(
    genuine: list[float], impostor: list[float], far: float
) -> None:
    point = cal.tar_at_far(genuine, impostor, far)
    assert share(impostor, point.threshold) == point.false_match_rate <= far + 1e-9
    assert share(genuine, point.threshold) == point.true_match_rate
    below = [one for one in impostor if one < point.threshold]
    if below:
        assert share(impostor, max(below)) > far


def test_a_rate_that_is_a_whole_number_of_impostors_is_reached() -> None:
    impostor = list(range(100))
    assert cal.tar_at_far([0.0], impostor, 0.07).false_match_rate == pytest.approx(0.07)


@given(scores, st.integers(0, 60))
def test_a_threshold_lets_no_more_pass_than_it_says(values: list[float], count: int) -> None:
    threshold = cal.threshold_letting(values, count)
    passed = sum(value >= threshold for value in values)
    assert passed <= count
    lower = [value for value in values if value < threshold]
    assert not lower or sum(value >= max(lower) for value in values) > count


@pytest.mark.parametrize("trials", [10, 300, 3000, 1_000_000])
def test_no_event_is_the_rule_of_three(trials: int) -> None:
    bound = cal.rate_bound(0, trials)
    assert bound == pytest.approx(1 - 0.05 ** (1 / trials), rel=1e-9)
    assert bound <= 3 / trials


@pytest.mark.parametrize(
    ("events", "trials", "bound"),
    # The tables of Clopper and Pearson, one-sided 95 %.
    [(1, 10, 0.3942), (5, 10, 0.7776), (2, 100, 0.0616), (10, 100, 0.1637), (10, 10, 1.0)],
)
def test_the_bound_is_that_of_the_tables(events: int, trials: int, bound: float) -> None:
    assert cal.rate_bound(events, trials) == pytest.approx(bound, abs=1e-4)


@given(st.integers(0, 200), st.integers(1, 2000), st.floats(0.5, 0.999))
def test_the_bound_makes_what_was_seen_as_unlikely_as_is_said(events: int, trials: int, confidence: float) -> None:
    assume(events < trials)
    bound = cal.rate_bound(events, trials, confidence)
    chance = math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(bound)
            + (trials - k) * math.log1p(-bound)
        )
        for k in range(events + 1)
    )
    assert chance == pytest.approx(1 - confidence, rel=1e-6)
    assert bound > events / trials


def test_many_events_of_many_stay_a_number() -> None:
    assert cal.rate_bound(50_000, 1_000_000) == pytest.approx(0.05036, abs=1e-5)


@given(st.lists(score, min_size=1, max_size=300), rates)
def test_a_recommended_threshold_keeps_its_promise(impostor: list[float], rate: float) -> None:
    advice = cal.threshold_for(impostor, rate)
    assert advice.false_matches == sum(one >= advice.threshold for one in impostor)
    assert advice.comparisons == len(impostor)
    assert advice.rate_at_most == pytest.approx(cal.rate_bound(advice.false_matches, len(impostor)))
    assert advice.proven == (advice.rate_at_most <= rate)
    if not advice.proven:
        assert advice.false_matches == 0, "too few to prove it: at least nobody of them passes"


@given(st.integers(1, 3000), rates)
def test_what_is_provable_is_and_one_more_is_not(trials: int, rate: float) -> None:
    events = cal.provable(trials, rate)
    assert events == -1 or cal.rate_bound(events, trials) <= rate
    assert events == trials or cal.rate_bound(events + 1, trials) > rate


def test_a_recommendation_is_the_lowest_that_is_proven() -> None:
    impostor = np.arange(10_000) / 10_000
    advice = cal.threshold_for(impostor, 0.01)
    assert advice.proven
    assert cal.rate_bound(advice.false_matches + 1, 10_000) > 0.01
    assert 70 < advice.false_matches < 100, "fewer than the 100 that the bare rate would let pass"


def test_with_few_impostors_the_threshold_is_above_them_all_and_unproven() -> None:
    advice = cal.threshold_for([0.2, 0.9, 0.4], 0.001)
    assert advice.threshold == np.nextafter(0.9, 1)
    assert (advice.false_matches, advice.proven) == (0, False)
    assert advice.rate_at_most == pytest.approx(0.6316, abs=1e-4)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, math.nan])
def test_a_rate_outside_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        cal.threshold_for([0.1], rate)


@pytest.mark.parametrize("values", [[], [math.nan], [0.1, math.inf]])
def test_no_figure_is_made_from_nothing(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"scores|finite"):
        cal.roc(values, [0.1])
    with pytest.raises(ValueError, match=r"scores|finite"):
        cal.threshold_for(values, 0.1)


@pytest.mark.parametrize(("events", "trials", "confidence"), [(1, 0, 0.9), (2, 1, 0.9), (-1, 5, 0.9), (0, 5, 1.0)])
def test_odd_counts_are_refused(events: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"no rate|confidence"):
        cal.rate_bound(events, trials, confidence)


# --- tracks and pairs of networks -----------------------------------------------------------------------------


def run_length(passed: list[bool]) -> int:
    longest = current = 0
    for one in passed:
        current = current + 1 if one else 0
        longest = max(longest, current)
    return longest


@given(st.lists(score, max_size=20), st.integers(1, 5), score)
def test_a_track_passes_where_enough_looks_in_a_row_do(looks: list[float], votes: int, threshold: float) -> None:
    enough = run_length([look >= threshold for look in looks]) >= votes
    assert (cal.track_score(looks, votes) >= threshold) == enough


@given(st.lists(st.tuples(score, score), max_size=20), st.integers(1, 4), score, score)
def test_networks_agree_only_on_the_same_looks(
    looks: list[tuple[float, float]], votes: int, first: float, second: float
) -> None:
    enough = run_length([a >= first and b >= second for a, b in looks]) >= votes
    assert cal.agrees(looks, (first, second), votes) == enough


def test_two_networks_that_say_yes_at_different_looks_do_not_agree() -> None:
    assert not cal.agrees([(0.9, 0.1), (0.1, 0.9)], (0.5, 0.5), votes=1)


def test_a_look_that_is_no_number_agrees_with_nothing() -> None:
    with pytest.raises(ValueError, match="finite"):
        cal.agrees([(math.nan, 0.9)], (0.5, 0.5), votes=1)


def test_a_track_needs_a_vote() -> None:
    with pytest.raises(ValueError, match="at least one"):
        cal.track_score([0.5], 0)


pairs = st.lists(st.tuples(score, score), min_size=1, max_size=12)


@given(pairs, pairs, st.integers(0, 3))
def test_no_pair_of_thresholds_lets_more_of_the_person_pass(
    genuine: list[tuple[float, float]], impostor: list[tuple[float, float]], allowed: int
) -> None:
    def count(values: list[tuple[float, float]], first: float, second: float) -> int:
        return sum(a >= first and b >= second for a, b in values)

    first, second = cal.pair_for(genuine, impostor, allowed)
    assert count(impostor, first, second) <= allowed
    candidates = [(a, b) for a, _ in genuine for _, b in genuine]
    best = max((count(genuine, *pair) for pair in candidates if count(impostor, *pair) <= allowed), default=0)
    assert count(genuine, first, second) == best


def test_of_equally_good_pairs_the_lowest_first_threshold_is_taken() -> None:
    assert cal.pair_for([(0.5, 0.9), (0.9, 0.9)], [(0.7, 0.8)]) == (0.5, np.nextafter(0.8, 1))
    assert cal.pair_for([(0.5, 0.9)], [(0.4, 1.0)]) == (0.5, -np.inf), "nobody to keep out by the second network"


def test_many_scores_are_tried_by_quantiles() -> None:
    random = np.random.default_rng(1)
    genuine, impostor = random.normal(2, 1, (5000, 2)), random.normal(0, 1, (200_000, 2))
    first, second = cal.pair_for(genuine, impostor, allowed=200)
    passed = (impostor >= (first, second)).all(axis=1).sum()
    assert passed <= 200
    share_of_person = (genuine >= (first, second)).all(axis=1).mean()
    # 1.86 of each is passed by 0.0316^2 = 0.001 of the impostors and by 0.557^2 = 0.31 of the person.
    assert share_of_person == pytest.approx(0.31, abs=0.02)


def test_the_sum_weighs_networks_by_their_impostors() -> None:
    impostor = np.array([[0.0, 0.0], [2.0, 200.0]])
    assert cal.z_sum([[1.0, 100.0], [2.0, 100.0], [1.0, 300.0]], impostor) == pytest.approx([0.0, 1.0, 2.0])


def test_a_network_without_opinion_is_refused() -> None:
    with pytest.raises(ValueError, match="the same score"):
        cal.z_sum([[1.0, 2.0]], [[1.0, 1.0], [1.0, 2.0]])
