"""How much un-masking needs, with the networks that are installed."""

from collections.abc import Sequence
from dataclasses import replace

from mosaicast.core.identity import IdentityPolicy
from mosaicast.pipeline.match import EmbeddingRequest, FaceMatcher, Gallery, RecentVectors, Vector

__all__ = ["EmbeddingRequest", "FaceMatcher", "Gallery", "RecentVectors", "Vector", "policy_for"]

_NARROW = ("dlib-resnet", "taguchi-resnet")


def policy_for(networks: Sequence[str]) -> IdentityPolicy:
    """Return the identity policy with the slack that fits these networks, by their names, the first one first.

    Cosines of dlib's architecture lie close together (strangers' .91, the same person's .95), those of others far
    apart (about 0 and .6): what is a small difference of one is a large one of the other.
    """
    policy = packaged = IdentityPolicy()
    if networks[0] not in _NARROW:
        policy = replace(policy, margin=0.05, stay=-0.05, drop=-0.1)
    if len(networks) < 2:
        return replace(policy, second=None)
    return replace(policy, second_stay=packaged.stay) if networks[1] in _NARROW else policy
