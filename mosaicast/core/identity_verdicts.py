"""What a verdict says of a track as it stands, and which faces are good enough to be embedded."""

import math

from mosaicast.core.identity_events import FaceQuality, IdentityPolicy
from mosaicast.core.identity_states import REASONS, Standing, Track
from mosaicast.core.pose import yaw_ratio
from mosaicast.core.tracking import Tracked
from mosaicast.core.types import LONGEST_BACK_S, Box, Reason, TrackVerdict


def verdict_on(  # noqa: PLR0913 - all that it depends on
    policy: IdentityPolicy, track: Track, one: Tracked, quality: FaceQuality, now: float, *, gallery: bool
) -> TrackVerdict:
    """Return the verdict on a face of the newest sample.

    Args:
        now: media time of the sample, seconds.
        gallery: it is there.
    """
    reason = REASONS[track.standing]
    if track.standing is Standing.CLEAR:
        return TrackVerdict(
            one.track_id, one.box, True, reason, track.confirmation.person_id, _known_s(policy, track, now)
        )
    if reason in {Reason.PENDING, Reason.UNKNOWN}:
        if not is_large(policy, one.box):
            reason = Reason.TOO_SMALL
        elif not gallery:
            reason = Reason.GALLERY_UNAVAILABLE
        elif reason is Reason.PENDING and _is_seen_badly(policy, track, quality):
            reason = Reason.DOUBTFUL
    elif reason is Reason.DOUBTFUL and not gallery:
        reason = Reason.GALLERY_UNAVAILABLE  # what would settle the doubt
    since_s = track.confirmation.doubted_since_s if reason is Reason.DOUBTFUL else None
    return TrackVerdict(one.track_id, one.box, False, reason, None, None if since_s is None else _back_s(since_s, now))


def is_large(policy: IdentityPolicy, box: Box) -> bool:
    """Return whether a face has enough pixels."""
    return min(box.width, box.height) >= policy.smallest_face_px


def is_fit(policy: IdentityPolicy, quality: FaceQuality, yaw_limit: float) -> bool:
    """Return whether a face is sharp enough and turned no further than `yaw_limit`."""
    return quality.sharpness >= policy.least_sharpness and abs(yaw_ratio(quality.landmarks)) <= yaw_limit


def _known_s(policy: IdentityPolicy, track: Track, now: float) -> float | None:
    """Return for how long a track that has just become clear has surely been its person; None: it says nothing."""
    views, since_s = policy.views, track.presence.vouched_since_s
    just = views is not None and now - track.confirmation.earned_s <= views.hindsight_s
    return _back_s(since_s, now) if just and math.isfinite(since_s) else None


def _back_s(since_s: float, now: float) -> float:
    return min(LONGEST_BACK_S, max(0.0, now - since_s))


def _is_seen_badly(policy: IdentityPolicy, track: Track, quality: FaceQuality) -> bool:
    if policy.views is not None:
        return track.standing is Standing.PENDING and track.candidacy.silent >= policy.patience
    return quality.has_crop and not is_fit(policy, quality, policy.yaw_limit)
