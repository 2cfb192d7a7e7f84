"""What a situation is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

StreamState = Literal["waiting", "starting", "live", "refused", "ended", "quarantined"]

MEANINGS: Mapping[StreamState, str] = {
    "waiting": "Nobody publishes.",
    "starting": "The masked stream is on its way. It heals by itself, as long as somebody publishes.",
    "live": "The masked stream goes out.",
    "refused": "What is published can't be read or masked. Trying the same again does not help: change the source, "
    "then publish anew.",
    "ended": "A file is over.",
    "quarantined": "Reading or masking crashed five times in a minute. A new publication lifts it.",
}
"""What each state means. No other is shown."""

LONGEST_PART = 200
"""Characters of a part of a sentence that is filled in: some come from strangers' media."""
_PART = re.compile(r"\\\{\w+\\\}")


@dataclass(frozen=True, slots=True)
class Situation:
    """One situation of a stream."""

    state: StreamState
    """The one that is shown beside the sentence."""
    sentence: str
    """One sentence, with what differs in braces; empty: all is well."""
    remedy: str
    """What it means if that is not plain, and what the user should do. Markdown, as of a page in docs/reference."""

    def says(self, **parts: object) -> str:
        """Return the sentence.

        Args:
            parts: what stands in its braces.

        Raises:
            KeyError: one of them is missing: a bug of the caller.
        """
        filled = {name: " ".join(str(part).split())[:LONGEST_PART] for name, part in parts.items()}
        return self.sentence.format(**filled)

    def told(self, **parts: object) -> "Told":
        """Return state and sentence; see `says`."""
        return Told(self, self.says(**parts))

    def fits(self, sentence: str) -> bool:
        """Return whether this situation says so."""
        pattern = _PART.sub(f".{{0,{LONGEST_PART}}}", re.escape(self.sentence))
        return re.fullmatch(pattern, sentence) is not None


@dataclass(frozen=True, slots=True)
class Told:
    """A situation with its sentence filled in.

    Raises:
        ValueError: the situation does not say so.
    """

    situation: Situation
    sentence: str

    def __post_init__(self) -> None:
        if not self.situation.fits(self.sentence):
            raise ValueError("this is no sentence of the situation")

    @property
    def state(self) -> StreamState:
        """The state beside the sentence."""
        return self.situation.state
