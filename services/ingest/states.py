"""How a stream stands, as a table: from a state, by an event, to a state. What is not in the table can't happen. Pure.

| state | child | it means |
|---|---|---|
| `waiting` | none | nobody publishes |
| `starting` | runs, or will | the source is being opened, or opened again |
| `live` | runs | its packets pass |
| `refused` | none | what is published can't be read, or not masked |
| `ended` | none | a file is over |
| `quarantined` | none | reading crashed too often |
| `stopped` | none | another instance has the stream now, or nobody |
"""

from collections.abc import Mapping
from typing import Literal

from mosaicast.contracts.messages import PublicationState

Event = Literal[
    "unpublished",  # the desired state has no publication (any more)
    "published",  # it has another one, which can be read
    "not_readable",  # it has another one, which can't: a file out of bounds, for instance
    "packets",  # the child's first packet has passed
    "source_away",  # the source is not there, or has gone; it is asked again
    "content_refused",  # the child says that this source can't be read or masked
    "file_over",  # the child has read a file to its end
    "crashed",  # the child crashed, hung or broke the contract; another is started
    "crashed_too_often",  # likewise, and no other is started
    "overtaken",  # a newer epoch is known; another child reads above it
    "stop",  # the runner is to end
]

_DESIRED: dict[Event, PublicationState] = {
    "unpublished": "waiting",
    "published": "starting",
    "not_readable": "refused",
    "stop": "stopped",
}
"""In every state but the last: what the api wants comes before what a child does."""
_OF_CHILD: dict[Event, PublicationState] = {
    "source_away": "starting",
    "content_refused": "refused",
    "file_over": "ended",
    "crashed": "starting",
    "crashed_too_often": "quarantined",
    "overtaken": "starting",
}
"""While there is a child."""

TRANSITIONS: Mapping[PublicationState, Mapping[Event, PublicationState]] = {
    "waiting": _DESIRED,
    "starting": {**_DESIRED, **_OF_CHILD, "packets": "live"},
    "live": {**_DESIRED, **_OF_CHILD},
    "refused": _DESIRED,
    "ended": _DESIRED,
    "quarantined": _DESIRED,
    "stopped": {"stop": "stopped"},
}


class IllegalEventError(Exception):
    """An event came in a state that does not know it: a bug of ours. Nothing has changed."""


def after(state: PublicationState, event: Event) -> PublicationState:
    """Return the state that an event leads to.

    Raises:
        IllegalEventError: the state does not know the event.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError as exc:
        raise IllegalEventError(f"{event} in state {state}") from exc
