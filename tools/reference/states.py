"""The page of states: what is read of a stream, and what to do."""

import re
from collections.abc import Iterator

from mosaicast.contracts.situations import MEANINGS, SITUATIONS, StreamState
from services.api.refusals import REASONS
from tools.reference.markdown import MADE_BY, table

_PART = re.compile(r"\{\w+\}")
_HEAD = f"""{MADE_BY}

# States of a stream

`mosaicast status`, `mosaicast streams list`, `mosaicast streams show`, the status page and `GET /v1/status` show each
stream's `state` and, as `reason`, one sentence. No other pair of state and sentence is ever shown. `...` stands for
what differs.
"""
_REFUSED = """## Publishers that are refused

The edge only hangs up: no message that a publisher could show has the reason. `refused` of the stream that it tried
says it for ten minutes, with address and time; where nobody knows which stream was meant, `refused` below `edge` does.
The log of the api has it as `publisher_refused`. Neither has a key.
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([_HEAD, *(_section(state) for state in MEANINGS), _refused()])


def _section(state: StreamState) -> str:
    rows = table(("the sentence", "what it means, and what to do"), _rows(state))
    return f"## {state}\n\n{MEANINGS[state]}\n\n{rows}\n"


def _refused() -> str:
    rows = ((f"`{why.word}`", f'"{why.sentence}"', why.remedy) for why in REASONS)
    return f"{_REFUSED}\n{table(('`why`', 'the sentence', 'what to do'), rows)}\n"


def _rows(state: StreamState) -> Iterator[tuple[str, str]]:
    for situation in SITUATIONS:
        if situation.state == state:
            sentence = _PART.sub("...", situation.sentence)
            yield f'"{sentence}"' if sentence else "(none)", situation.remedy
