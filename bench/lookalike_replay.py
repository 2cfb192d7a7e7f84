"""Replays a seen clip with the product's tracker and machine, one person enrolled alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.lookalike_looks import tracks_of
from bench.lookalike_people import Enrolled, own_tracks
from bench.replay_parts import ANSWER_S, OWNER, Templates
from bench.seen import Remembered, RowJpeg, SeenClip, sampled
from mosaicast.adapters.embedders import Embedder
from mosaicast.adapters.embedders.cohort import cohort_scorer
from mosaicast.core.types import OwnerId, PersonId, Verdict
from mosaicast.pipeline.decide import Decider, StreamRecognition
from mosaicast.pipeline.match import FaceMatcher
from services.recognizer.policy import policy_for

Vectors = NDArray[np.float32]

PERSON = PersonId("enrolled")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one clip with one person enrolled, over all phases."""

    enrolled: str
    clip: str
    replays: int
    looks: int
    """At any face."""
    own: int
    """At the person's own tracks, clear."""
    wrong: int
    """At anybody else's, clear."""


def replayed(
    clip: SeenClip, people: Mapping[PersonId, Mapping[str, Vectors]], networks: Mapping[str, Embedder], phase: int,
    crops_every: int,
) -> list[Verdict]:  # fmt: skip
    """Return the verdicts on a clip at one phase of the samples.

    Args:
        people: by network, the templates of everybody enrolled.
        networks: the product's, the first one first.
    """
    matchers = [
        FaceMatcher(
            Remembered(network, clip.embedded[name]),
            Templates({who: one[name] for who, one in people.items()}, cohort_scorer(network.name, network.version)),
        )
        for name, network in networks.items()
    ]
    recognition = StreamRecognition(1, 0, policy_for(list(networks)))
    recognition.people_changed(dict.fromkeys(people, "1"))
    decider = Decider(recognition, matchers, RowJpeg(), OwnerId(OWNER), ANSWER_S)
    return [decider.take(found).to_core() for found in sampled(clip.frames, phase, crops_every)]


def replayed_alone(one: Enrolled, clip: SeenClip, networks: Mapping[str, Embedder], every: Sequence[int]) -> Outcome:
    """Return what becomes of a clip with one person enrolled, at every phase."""
    replays = looks = own = wrong = 0
    for phase in clip.phases:
        mine = own_tracks(one, clip, tracks_of(clip, phase, smallest_px=0.0), phase)
        for crops_every in every:
            verdicts = replayed(clip, {PERSON: one.vectors}, networks, phase, crops_every)
            clear = [track.track_id in mine for verdict in verdicts for track in verdict.tracks if track.clear]
            replays, looks = replays + 1, looks + sum(len(verdict.tracks) for verdict in verdicts)
            own, wrong = own + sum(clear), wrong + len(clear) - sum(clear)
    return Outcome(f"{one.person}, {one.source}", clip.name, replays, looks, own, wrong)
