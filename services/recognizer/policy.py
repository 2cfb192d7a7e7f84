"""How much un-masking needs, with the networks that are installed."""

from collections.abc import Sequence
from dataclasses import replace

from mosaicast.adapters.models import load
from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.contracts.streams import ANSWER_S
from mosaicast.core.identity import IdentityPolicy, ViewPolicy
from mosaicast.pipeline.match import EmbeddingRequest, FaceMatcher, Gallery
from mosaicast.pipeline.recent import RecentVectors, Vector

__all__ = ["EmbeddingRequest", "FaceMatcher", "Gallery", "RecentVectors", "Vector", "policy_for", "within_delay"]

_NARROW = ("dlib-resnet", "taguchi-resnet")
_SLACK = 0.03
"""Of who is clear, where every network tells how well it sees: no more than what strangers were shown to stay below
the rule. Who is seen worse is followed by his own looks."""

_SPAN_S = 0.25
"""From the first vote to the last where every look is one: four looks at ten a second, whatever floats make of 0.3."""
LEAST_GRACE_S = 0.2
"""Two looks at ten a second: one that is late says nothing yet."""


def within_delay(policy: IdentityPolicy, delay_s: float) -> IdentityPolicy:
    """Return the policy for a stream of this delay: what ends a clear track that looks say nothing about is told before
    frames of somebody who took the person's place have left, the longest way of a verdict included."""
    if policy.views is None:
        return policy
    grace_s = min(policy.views.grace_s, max(LEAST_GRACE_S, delay_s - ANSWER_S))
    return replace(policy, views=replace(policy.views, grace_s=grace_s))


def policy_for(networks: Sequence[str]) -> IdentityPolicy:
    """Return the identity policy with the slack that fits these networks, by their names, the first one first.

    Cosines of dlib's architecture lie close together (strangers' .91, the same person's .95), those of others far
    apart (about 0 and .6): what is a small difference of one is a large one of the other.
    """
    policy = packaged = IdentityPolicy()
    if networks[0] not in _NARROW:
        policy = replace(policy, margin=0.05, stay=-0.05, drop=-0.1)
    if len(networks) < 2:
        policy = replace(policy, second=None)
    elif networks[1] in _NARROW:
        policy = replace(policy, second_stay=packaged.stay)
    if not all(_is_measured(name) for name in networks):
        return policy
    return replace(policy, views=ViewPolicy(), stay=-_SLACK, second_stay=-_SLACK, span_s=_SPAN_S)


def _is_measured(name: str) -> bool:
    """Return whether it was measured from which length on a network's looks count."""
    try:
        quality = load().get(name, "embedder").quality
    except ModelUnavailableError:
        return False
    return None not in (quality.votes_from, quality.clear_from, quality.like_before, quality.like_own)
