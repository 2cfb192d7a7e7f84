"""Times as people type them."""

import datetime

import typer

_EXAMPLES = "2030-12-31 (to the end of that day), 2030-12-31T18:00 (this machine's zone) or 2030-12-31T18:00+09:00"


def moment(text: str) -> str:
    """Return a time of a user in the API's form, with its zone; a day means its end, and no zone this machine's.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return datetime.datetime.combine(day, datetime.time(23, 59, 59)).astimezone().isoformat()
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError as exc:
        raise typer.BadParameter(f"`{text}` is no time; write {_EXAMPLES}") from exc
    return (time if time.tzinfo else time.astimezone()).isoformat()
