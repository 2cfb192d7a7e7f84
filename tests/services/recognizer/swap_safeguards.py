"""Each safeguard of a clear track, how to take it out alone, and the swap that then shows a stranger."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mosaicast.core import hindsight, identity_views, identity_votes, timeline
from mosaicast.core.identity import Likeness, ViewPolicy
from mosaicast.core.identity_events import View
from mosaicast.core.identity_states import Following, OwnLook
from mosaicast.core.identity_views import Finding
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.pipeline import match, recent
from mosaicast.pipeline.recent import Seen
from services.recognizer import policy
from tests.services.recognizer import swap_stage
from tests.services.recognizer.swap_scenes import Swap

Remove = Callable[[pytest.MonkeyPatch], None]


def limits(patch: pytest.MonkeyPatch, **changes: float) -> None:
    """Change the networks' limits."""
    of = recent._Limits.of
    patch.setattr(recent._Limits, "of", lambda quality: replace(of(quality), **changes))  # type: ignore[type-var]


def least_length(patch: pytest.MonkeyPatch) -> None:
    """Faces that are hardly seen are compared, too: they are all alike."""
    limits(patch, votes_from=0.0)


def like_the_look_before(patch: pytest.MonkeyPatch) -> None:
    """Any look follows from the one before it."""
    limits(patch, like_before=-1.0, like_own=-1.0)
    patch.setattr(match, "view_of", _never_own)


def _never_own(seen: Sequence[Seen | None]) -> View | None:
    view = recent_view_of(seen)
    return None if view is None else replace(view, own=False)


recent_view_of = recent.view_of


def both_networks(patch: pytest.MonkeyPatch) -> None:
    """What the first network says of a clear track is enough."""
    patch.setattr(match, "view_of", lambda seen: recent_view_of(seen[:1]))
    patch.setattr(identity_votes, "agrees", lambda person, second, needed: True)


def grace(patch: pytest.MonkeyPatch) -> None:
    """Looks that say nothing are no doubt."""
    patch.setattr(policy, "ViewPolicy", lambda: ViewPolicy(grace_s=60.0))
    patch.setattr(swap_stage, "within_delay", lambda found, _: found)


def surely_the_same(patch: pytest.MonkeyPatch) -> None:
    """A look that is only like the one before it is as good as the same face."""
    note = identity_views.note_link

    def lenient(presence: Any, following: Following, view: View, asked_s: float, proofs: int) -> None:
        same = view.before >= Likeness.LIKE
        note(presence, following, replace(view, before=Likeness.SAME) if same else view, asked_s, proofs)

    patch.setattr(identity_views, "note_link", lenient)


def own_looks_by_the_gallery(patch: pytest.MonkeyPatch) -> None:
    """A look that is like an own one becomes one."""
    note = identity_views.note_finding

    def generous(following: Following, what: Finding, view: View, look: OwnLook, policy: ViewPolicy) -> None:
        note(following, what, view, look, policy)
        if what is Finding.FOLLOWED:
            identity_views.keep_own(following, look, policy)

    patch.setattr(identity_views, "note_finding", generous)


def doubt_looks_back(patch: pytest.MonkeyPatch) -> None:
    """Doubt says nothing of the time before."""
    patch.setattr(timeline, "_WRONG_ALL_ALONG", frozenset())


def trust_as_far_as_looks_vouch(patch: pytest.MonkeyPatch) -> None:
    """A track that earns its person has been that person since it began."""
    vouch = hindsight._vouch

    def further(entries: Any, place: int, track_id: Any, policy: MaskPolicy) -> None:
        told = entries[place].told
        told[track_id] = replace(told[track_id], track=replace(told[track_id].track, back_s=9.0))
        vouch(entries, place, track_id, policy)

    patch.setattr(hindsight, "_vouch", further)


SAFEGUARDS: tuple[tuple[Remove, Swap], ...] = (
    (least_length, Swap(before="fading", after="dark")),
    (like_the_look_before, Swap(after="turned")),
    (both_networks, Swap(after="soft")),
    (grace, Swap(after="dark")),
    (surely_the_same, Swap(after="soft")),
    (doubt_looks_back, Swap(after="dark")),
)
"""Each safeguard, and a swap in which it matters. Those that only a longer story needs are in `test_swaps`; those that
another one stands behind (a clear view of nobody, own looks that are forgotten), in `test_identity_views`."""
