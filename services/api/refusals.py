"""Publishers that were refused at the door: why, from where, and how often. Time is an argument.

The edge only hangs up on them, so their owners read it here. It is kept in memory for a while; the log has it for good.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Literal

Word = Literal[
    "unknown_key", "no_key", "id_for_key", "in_use", "reads_a_file", "key_changed", "masked", "own_fields",
    "no_database", "wrong_address",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Why:
    """Why a publisher is refused."""

    word: Word
    sentence: str
    remedy: str
    """What the user should do. Markdown, as of a page in docs/reference."""


UNKNOWN_KEY = Why(
    "unknown_key",
    "This stream key is not known.",
    "A typing error, the key of a stream that was deleted, or one in whose place a new one was made. "
    "`mosaicast streams key STREAM_ID` makes another.",
)
NO_KEY = Why("no_key", "No stream key was sent.", "Put the stream key into the publisher's settings.")
ID_FOR_KEY = Why(
    "id_for_key",
    "The stream's id was sent in place of its key.",
    "The id is public, the key is what `mosaicast streams create` printed. `mosaicast streams key STREAM_ID` makes "
    "another.",
)
IN_USE = Why(
    "in_use",
    "Somebody publishes on this stream already.",
    "End the other publisher. A new key (`mosaicast streams key STREAM_ID`) cuts it off.",
)
READS_A_FILE = Why(
    "reads_a_file", "This stream reads a file; nobody publishes on it.", "Create a stream without a file."
)
KEY_CHANGED = Why(
    "key_changed",
    "The key has just changed, or the stream was deleted.",
    "Publish again, with the new key.",
)
MASKED = Why(
    "masked",
    "Nobody but the compositor publishes masked streams.",
    "The server's address ends in `/live`, not in `/masked`.",
)
OWN_FIELDS = Why(
    "own_fields",
    "An address may not set the edge's own fields.",
    "Take `?app=`, `?name=`, `?addr=` or `?clientid=` out of the publisher's address.",
)
NO_DATABASE = Why(
    "no_database", "The database does not answer; nobody new may publish until it does.", "See `api.log`."
)
WRONG_ADDRESS = Why(
    "wrong_address",
    "The server's address does not end in `/live`.",
    "In OBS, Server is what `mosaicast streams create` printed, without the key; the key has a field of its own.",
)
REASONS = (
    UNKNOWN_KEY, NO_KEY, ID_FOR_KEY, IN_USE, READS_A_FILE, KEY_CHANGED, MASKED, OWN_FIELDS, NO_DATABASE, WRONG_ADDRESS,
)  # fmt: skip

KEPT_S = 600.0
"""A refusal is shown for so long after its last time."""
FRESH_S = 60.0
"""A refusal so recent is in the sentence of a stream that is well. A publisher that tries on leaves a line so often."""
MOST = 32
"""Refusals that are kept of one stream, and of the edge: strangers must not fill our memory. The oldest is dropped."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Publishers from one address that were refused for one reason."""

    cause: Why
    address: str
    times: int = 0
    last_ms: int = 0
    """Wall time of the last one."""
    last_s: float = 0.0
    """The same, monotonic."""
    told_s: float = float("-inf")
    """When a line of the log told of it last, monotonic."""
    untold: int = 0
    """How often it happened since."""

    @property
    def why(self) -> Word:
        """The reason, for programs."""
        return self.cause.word

    @property
    def reason(self) -> str:
        """The reason, for people."""
        return self.cause.sentence


class Refusals:
    """What is remembered. A stream is None where nobody knows which one was meant: the edge has it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str | None, OrderedDict[tuple[Word, str], Refusal]] = {}

    def note(self, stream_id: str | None, why: Why, address: str, now: float, now_ms: int) -> int:
        """Take note of a refusal.

        Returns: of how many a line of the log is to tell now; 0: of none, the same was told a moment ago.
        """
        with self._lock:
            kept = self._kept.setdefault(stream_id, OrderedDict())
            before = kept.pop((why.word, address), None)
            if before is None or now - before.last_s > KEPT_S:
                before = Refusal(why, address)
            after = replace(before, times=before.times + 1, last_ms=now_ms, last_s=now, untold=before.untold + 1)
            quiet = now - before.told_s < FRESH_S
            kept[why.word, address] = after if quiet else replace(after, told_s=now, untold=0)
            if len(kept) > MOST:
                kept.popitem(last=False)
            return 0 if quiet else after.untold

    def of(self, stream_id: str | None, now: float) -> tuple[Refusal, ...]:
        """Return the refusals of a stream, or of the edge, the newest first."""
        with self._lock:
            kept = tuple(self._kept.get(stream_id, {}).values())
        return tuple(refusal for refusal in reversed(kept) if now - refusal.last_s <= KEPT_S)

    def forget(self, stream_id: str) -> None:
        """Forget a deleted stream."""
        with self._lock:
            self._kept.pop(stream_id, None)
