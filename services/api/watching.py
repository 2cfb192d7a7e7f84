"""What viewers are told of a stream: less than its streamer, and in their own words."""

from collections.abc import Mapping
from typing import Literal

from mosaicast.contracts.situations.base import StreamState
from services.api.status import StreamStatus

ViewerState = Literal["waiting", "starting", "live", "masked", "ended", "failed"]

_OF: Mapping[StreamState, ViewerState] = {
    "waiting": "waiting",
    "starting": "starting",
    "live": "live",
    "ended": "ended",
    "quarantined": "failed",
    "refused": "failed",
}

WORDS = {
    # What the api says.
    "waiting": "Waiting for the streamer. The picture comes by itself.",
    "starting": "The stream is starting. The picture comes in a few seconds.",
    "live": "Live",
    "masked": "Live; all of the picture is masked at the moment.",
    "ended": "The stream has ended. If it begins again, it plays here by itself.",
    "failed": "The stream can't be shown at the moment. Its streamer can read why.",
    # What the page knows itself.
    "loading": "The stream is live; the picture is on its way.",
    "stalled": "The picture has stopped for a moment; waiting for more of it.",
    "hidden": "The stream is live, but its picture can't be reached from here. Trying again.",
    "away": "Mosaicast can't be reached. Trying again.",
    "gone": "There is no stream at this address any more.",
    "press": "Press play to see the stream.",
    "paused": "Paused. Play goes on where the stream is then.",
    "unable": "This browser can't play the stream. Open an address below in a player, such as VLC.",
    # Of the sound.
    "mute": "Turn on the sound",
    "silent": "no sound at the moment",
    "behind": "{s} s behind",
}
"""Everything that the watch page says of a stream, by what it says it of; `{s}` is a number of seconds."""


def viewer_state(status: StreamStatus, *, panic: bool, all_masked: bool) -> ViewerState:
    """Return what a stream is to its viewers.

    Args:
        status: what its streamer is told.
        panic: the streamer has everything masked.
        all_masked: no picture of the last second left otherwise.
    """
    state = _OF[status.state]
    return "masked" if state == "live" and (panic or all_masked) else state
