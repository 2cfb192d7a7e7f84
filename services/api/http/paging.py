"""Lists by the page: `limit` and an opaque `cursor`. Without a limit a list is whole, as it always was."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query
from fastapi.exceptions import RequestValidationError

from mosaicast.adapters.database.storage import Mark

MOST = 1000
Limit = Annotated[int | None, Query(ge=1, le=MOST, description="At most so many on a page; absent: all.")]
Cursor = Annotated[
    str | None, Query(max_length=300, description="The `next_cursor` of the page before; absent: the first page.")
]
Item = TypeVar("Item")


def one_more(limit: int | None) -> int | None:
    """Return how many to read, so that it is known whether there is another page."""
    return None if limit is None else limit + 1


def cut(found: Sequence[Item], limit: int | None, mark: Callable[[Item], Mark]) -> tuple[Sequence[Item], str | None]:
    """Return a page and the cursor of the next one; None: there is none.

    Args:
        found: one more than the page may have, if there are so many.
        mark: says where an item is in the list.
    """
    if limit is None or len(found) <= limit:
        return found, None
    return found[:limit], _written(mark(found[limit - 1]))


def read(cursor: str | None) -> Mark | None:
    """Return behind which item the page begins; None: at the beginning.

    Raises:
        RequestValidationError: it is no cursor of ours.
    """
    if cursor is None:
        return None
    try:
        created_ms, item_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        item_id.encode()  # half a surrogate pair is no text that a database takes
        if type(created_ms) is int and 0 <= created_ms < 2**63:
            return Mark(created_ms, item_id)
    except (ValueError, TypeError, AttributeError):
        pass
    raise RequestValidationError([{"loc": ("query", "cursor"), "msg": "send the `next_cursor` of an answer"}])


def _written(mark: Mark) -> str:
    return base64.urlsafe_b64encode(json.dumps(mark).encode()).decode()
