"""From scores to what is told: figures for programs, curves to draw, and one sentence for each threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.identity import IdentityPolicy
from mosaicast.evaluation import calibration
from mosaicast.evaluation.calibration import CONFIDENCE
from services.cli.calibration.boxes import Detections
from services.cli.calibration.people import CalibrationError, Comparisons
from services.cli.calibration.report import Curve, Figure

Scores = NDArray[np.float64]

FARS = (0.001, 0.01, 0.04)
TOGETHER = "both, sum of z"
NEEDLESS = 2
"""Needless masks in a picture that finding more faces may cost: a mask on no face harms nobody, but is seen."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The outcome of a calibration."""

    figures: Mapping[str, Any]
    """For JSON; floats are rounded nowhere."""
    sentences: tuple[str, ...]
    drawings: tuple[Figure, ...]


def about_people(scores: Comparisons, fmr: float) -> Advice:
    """Recommend a threshold of each network for a false-match rate, and of two networks that both have to say yes."""
    columns = {name: (scores.genuine[:, i], scores.impostor[:, i]) for i, name in enumerate(scores.networks)}
    votes = IdentityPolicy().votes
    networks = {name: _network(same, other, fmr) for name, (same, other) in columns.items()}
    for place, one in enumerate(networks.values()):
        one["tracks"] = _tracks(scores, (place,), (one["threshold"],), votes)
    figures: dict[str, Any] = {
        "kind": "recognition",
        "false_match_rate": fmr,
        "confidence": CONFIDENCE,
        "pictures": dict(scores.verdicts),
        "unreadable": list(scores.unreadable[:20]),
        "persons": scores.persons,
        "person_pairs": scores.person_pairs,
        "comparisons": {"genuine": len(scores.genuine), "impostor": len(scores.impostor)},
        "networks": networks,
    }
    sentences = [_sentence(name, one, fmr) for name, one in networks.items()]
    if len(scores.networks) == 2:
        figures["both"] = _both(scores, fmr, votes)
        sentences.append(_both_sentence(scores.networks, figures["both"]))
        columns[TOGETHER] = _summed(scores)
    sentences.append(
        f"Comparisons of the same two persons are not independent of each other: about strangers, at most "
        f"{scores.person_pairs} are."
    )
    return Advice(figures, tuple(sentences), _people_figures(columns, networks))


def _network(same: Scores, other: Scores, fmr: float) -> dict[str, Any]:
    advised = calibration.threshold_for(other, fmr)
    at = calibration.operating(same, other, advised.threshold)
    curve = calibration.roc(same, other)
    return {
        "threshold": advised.threshold,
        "false_match_rate": at.false_match_rate,
        "false_match_rate_below": advised.rate_at_most,
        "proven": advised.proven,
        "true_match_rate": at.true_match_rate,
        "true_match_rate_at": {str(far): calibration.tar_at_far(same, other, far).true_match_rate for far in FARS},
        "equal_error_rate": curve.equal_error_rate,
        "average_precision": calibration.precision_recall(same, other).average_precision,
    }


def _both(scores: Comparisons, fmr: float, votes: int) -> dict[str, Any]:
    events = max(0, calibration.provable(len(scores.impostor), fmr))
    pair = calibration.pair_for(scores.genuine, scores.impostor, events)
    passed = int((scores.impostor >= pair).all(axis=1).sum())
    bound = calibration.rate_bound(passed, len(scores.impostor))
    return {
        "thresholds": {
            # Nobody is kept out by the second one alone: any similarity will do.
            name: max(-1.0, one)
            for name, one in zip(scores.networks, pair, strict=True)
        },
        "false_match_rate": passed / len(scores.impostor),
        "false_match_rate_below": bound,
        "proven": bound <= fmr,
        "true_match_rate": float((scores.genuine >= pair).all(axis=1).mean()),
        "tracks": _tracks(scores, (0, 1), pair, votes),
    }


def _tracks(scores: Comparisons, columns: tuple[int, ...], thresholds: tuple[float, ...], votes: int) -> dict[str, int]:
    """Count tracks of which `votes` pictures agree; pictures of a folder have no order, so any of them."""

    def agree(track: Scores) -> bool:
        return int((track[:, columns] >= thresholds).all(axis=1).sum()) >= votes

    own = [track for track in scores.own_tracks if len(track) >= votes]
    strangers = [track for track in scores.stranger_tracks if len(track) >= votes]
    return {
        "votes": votes,
        "own": len(own),
        "own_visible": sum(map(agree, own)),
        "strangers": len(strangers),
        "strangers_visible": sum(map(agree, strangers)),
    }


def _summed(scores: Comparisons) -> tuple[Scores, Scores]:
    try:
        return (
            calibration.z_sum(scores.genuine, scores.impostor),
            calibration.z_sum(scores.impostor, scores.impostor),
        )
    except ValueError as exc:
        raise CalibrationError(f"the strangers do not calibrate two networks: {exc}") from exc


def _sentence(name: str, one: Mapping[str, Any], fmr: float) -> str:
    shown = f"{name}: threshold {one['threshold']:.4f}, passed by {one['true_match_rate']:.1%} of the person's own"
    if one["proven"]:
        return f"{shown}; strangers pass at a rate below {one['false_match_rate_below']:.2g} ({CONFIDENCE:.0%} sure)."
    return (
        f"{shown}; no stranger passes, but there are too few of them to prove a rate of {fmr:g}: it is below "
        f"{one['false_match_rate_below']:.2g} ({CONFIDENCE:.0%} sure)."
    )


def _both_sentence(networks: tuple[str, ...], both: Mapping[str, Any]) -> str:
    shown = {name: f"{one:.4f}" if one > -1.0 else "any" for name, one in both["thresholds"].items()}
    pair = " and ".join(f"{name} {shown[name]}" for name in networks)
    rate = f"{both['false_match_rate_below']:.2g}"
    return f"both must agree, {pair}: passed by {both['true_match_rate']:.1%}; strangers at a rate below {rate}."


def _people_figures(
    columns: Mapping[str, tuple[Scores, Scores]], networks: Mapping[str, Mapping[str, Any]]
) -> tuple[Figure, ...]:
    curves = {name: calibration.roc(same, other) for name, (same, other) in columns.items()}
    precision = {name: calibration.precision_recall(same, other) for name, (same, other) in columns.items()}
    marks = tuple((one["false_match_rate"], one["true_match_rate"]) for one in networks.values())
    misses = tuple((false, 1 - true) for false, true in marks)
    least = 0.5 / min(len(other) for _, other in columns.values())
    fewest = 0.5 / min(len(same) for same, _ in columns.values())
    return (
        Figure(
            "roc", "Receiver operating characteristic", ("false-match rate", "true-match rate"),
            tuple(Curve(name, one.false_match_rate, one.true_match_rate) for name, one in curves.items()),
            marks, (least, None),
        ),
        Figure(
            "det", "Detection error trade-off", ("false-match rate", "share of the person's own that is missed"),
            tuple(Curve(name, one.false_match_rate, one.miss_rate) for name, one in curves.items()),
            misses, (least, fewest),
        ),
        Figure(
            "precision_recall", "Precision and recall", ("recall", "precision"),
            tuple(Curve(name, one.recall, one.precision) for name, one in precision.items()),
        ),
    )  # fmt: skip


def about_detection(found: Detections, fmr: float) -> Advice:
    """Recommend scores: to mask (at a bearable price), and to enroll (a false face is as rare as was asked for)."""
    curve = calibration.precision_recall(found.true, found.false, found.missed)
    best_f1, balanced = curve.best_f1
    mask = _lowest(found, int(NEEDLESS * found.pictures))
    enroll = calibration.threshold_for(found.worst_false, fmr)
    advised = {
        "mask": _at(found, mask),
        "balanced": _at(found, balanced) | {"f1": best_f1},
        "enrol": _at(found, min(1.0, enroll.threshold))
        | {"false_picture_rate_below": enroll.rate_at_most, "proven": enroll.proven},
    }
    figures = {
        "kind": "detection",
        "detector": found.detector,
        "false_match_rate": fmr,
        "confidence": CONFIDENCE,
        "pictures": {"read": found.pictures, "unreadable": len(found.unreadable)},
        "unreadable": list(found.unreadable[:20]),
        "faces": {"counted": len(found.true) + found.missed, "ignored": found.ignored},
        "average_precision": curve.average_precision,
        "thresholds": advised,
    }
    return Advice(figures, _detection_sentences(advised, enroll), _detection_figures(found, curve, advised))


def _lowest(found: Detections, false: int) -> float:
    """Return the lowest threshold with at most so many false boxes, no lower than anything that was found."""
    least = float(np.concatenate([found.true, found.false]).min())
    return max(least, calibration.threshold_letting(found.false, false)) if len(found.false) else least


def _at(found: Detections, threshold: float) -> dict[str, Any]:
    true, false = (calibration.passing(one, np.array([threshold]))[0] for one in (found.true, found.false))
    return {
        "threshold": threshold,
        "recall": float(true) / (len(found.true) + found.missed),
        "precision": float(true) / max(1.0, float(true + false)),
        "false_per_picture": float(false) / found.pictures,
    }


def _detection_sentences(advised: Mapping[str, Any], enroll: calibration.Recommendation) -> tuple[str, ...]:
    def shown(one: Mapping[str, Any]) -> str:
        return f"{one['threshold']:.3f}: recall {one['recall']:.1%}, precision {one['precision']:.1%}"

    proof = "" if enroll.proven else "; there are too few pictures to prove the rate that was asked for"
    return (
        f"To mask, {shown(advised['mask'])}; at most {NEEDLESS} needless masks in a picture.",
        f"Balanced, {shown(advised['balanced'])} (largest F1).",
        f"To enroll, {shown(advised['enrol'])}; a picture shows a false face at a rate below {enroll.rate_at_most:.2g} "
        f"({CONFIDENCE:.0%} sure{proof}).",
    )


def _detection_figures(
    found: Detections, curve: calibration.PrecisionRecall, advised: Mapping[str, Any]
) -> tuple[Figure, ...]:
    wrong = calibration.passing(found.false, curve.thresholds) / found.pictures
    at = tuple((one["recall"], one["precision"]) for one in advised.values())
    free = tuple((one["false_per_picture"], one["recall"]) for one in advised.values())
    return (
        Figure(
            "precision_recall", "Precision and recall", ("recall", "precision"),
            (Curve(found.detector, curve.recall, curve.precision),), at,
        ),
        Figure(
            "roc", "Recall over false faces", ("false faces in a picture", "recall"),
            (Curve(found.detector, wrong, curve.recall),), free, (0.5 / found.pictures, None),
        ),
    )  # fmt: skip
