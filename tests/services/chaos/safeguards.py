"""Each safeguard of the promise, and how to take it out alone: what the simulation must notice."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from mosaicast.core import evidence as evidence_module
from mosaicast.core import timeline as timeline_module
from mosaicast.core.evidence import Evidence
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.transitions import Transitions
from mosaicast.pipeline.decide import StreamRecognition
from mosaicast.pipeline.frames import Chain as _Chain
from services.detector.waiting import WaitingFrames
from services.ingest.epoch import EpochWriter

Remove = Callable[[pytest.MonkeyPatch], None]


def fingerprints(patch: pytest.MonkeyPatch) -> None:
    """Verdicts count whatever picture they speak of."""
    patch.setattr(evidence_module, "same_picture", lambda one, other: True)


def verdict_chain(patch: pytest.MonkeyPatch) -> None:
    """The compositor overlooks that a verdict is missing between two."""
    patch.setattr(evidence_module, "_hole", lambda one, following: None)


def both_sides_of_cuts(patch: pytest.MonkeyPatch) -> None:
    """The last picture of a scene need not have been looked at."""
    patch.setattr(
        evidence_module, "_hole", lambda one, following: "verdict_lost" if following.after_seq != one.seq else None
    )


def detection_chain(patch: pytest.MonkeyPatch) -> None:
    """The recognizer overlooks that detections are missing, and says so to nobody."""
    recognise = StreamRecognition.recognise

    def overlooking(self: Any, detections: Any, gallery_seen_s: Any, now: float) -> Any:
        return recognise(self, replace(detections, after_seq=self.newest_seq), gallery_seen_s, now)

    patch.setattr(StreamRecognition, "recognise", overlooking)


def packet_chain(patch: pytest.MonkeyPatch) -> None:
    """The compositor overlooks that a video packet is missing."""
    patch.setattr(_Chain, "take", lambda self, packet: True)


def refused_packets(patch: pytest.MonkeyPatch) -> None:
    """The compositor's decoder may refuse packets without consequence."""
    patch.setattr(_Chain, "snap", lambda self: None)


def fresh_decoders(patch: pytest.MonkeyPatch) -> None:
    """A decoder that lost packets goes on at the next keyframe, whatever is called so.

    The half-old pictures that it makes are taken for a transition as well, so that is out too.
    """
    patch.setattr(Transitions, "gradual", lambda self, time: False)
    take = _Chain.take

    def going_on(self: Any, packet: Any) -> bool:
        whole = take(self, packet)
        self.mended = False
        return whole

    patch.setattr(_Chain, "take", going_on)


def look_ahead(patch: pytest.MonkeyPatch) -> None:
    """Frames leave as soon as two verdicts bracket them."""
    patch.setattr(Evidence, "_unknown_ahead", lambda self, time, after: None)


def numbers_of_refused_samples(patch: pytest.MonkeyPatch) -> None:
    """A sample that a busy pipe refused gives its number to the next one."""
    sample = EpochWriter._sample

    def reusing(self: Any, seen: Any) -> None:
        refused = self._outlet.counters["samples_dropped"]
        sample(self, seen)
        self._seq -= self._outlet.counters["samples_dropped"] - refused

    patch.setattr(EpochWriter, "_sample", reusing)


def lost_cuts(patch: pytest.MonkeyPatch) -> None:
    """The detector forgets that a frame that it never got may have been a cut."""
    patch.setattr(WaitingFrames, "_account", lambda self, stream, frame: None)


def largest_gap(patch: pytest.MonkeyPatch) -> None:
    """Two verdicts bracket frames, however far apart they are."""
    patch.setattr(timeline_module, "MaskPolicy", lambda: MaskPolicy(max_gap_s=1.0))


def scene_cuts(patch: pytest.MonkeyPatch) -> None:
    """Nobody is told of scene cuts."""
    message = EpochWriter._message

    def silent(self: Any, seen: Any, fingerprint: bytes) -> Any:
        return replace(message(self, seen, fingerprint), scene_cut=False)

    patch.setattr(EpochWriter, "_message", silent)


SAFEGUARDS: tuple[tuple[Remove, frozenset[str]], ...] = (
    (fingerprints, frozenset({"compositor decodes wrongly"})),
    (verdict_chain, frozenset({"treacherous verdicts"})),
    (both_sides_of_cuts, frozenset({"slow detector"})),
    (detection_chain, frozenset({"treacherous detections"})),
    (packet_chain, frozenset({"treacherous media"})),
    (refused_packets, frozenset({"compositor cannot decode"})),
    (fresh_decoders, frozenset({"refreshed pictures"})),
    (look_ahead, frozenset({"stopped recognizer", "slow detector"})),
    (numbers_of_refused_samples, frozenset({"busy pipe at cuts"})),
    (lost_cuts, frozenset({"treacherous frames"})),
    (largest_gap, frozenset({"stalled frames", "slow detector"})),
    (scene_cuts, frozenset({"lossy frames"})),
)
"""Each safeguard, and what goes wrong in the broadcasts in which it matters."""
