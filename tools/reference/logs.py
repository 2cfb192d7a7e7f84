"""The page of logs: each event of ours with level, fields, meaning, and which services log it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import mosaicast
import services as services_package
from mosaicast.runtime.log_events import MEANINGS, LogEvent
from mosaicast.runtime.settings import SERVICES
from tools.reference.markdown import MADE_BY, codes, services, table

_LEVELS = ("debug", "info", "warning", "error", "exception", "log")
_LOGGERS = frozenset({"_LOG", "_log", "log", "get_logger"})
"""What loggers are called here; `get_logger(...)` itself too."""
_SHOWN = {"exception": "error", "log": "as said"}
_NO_FIELDS = frozenset({"exc_info"})
_HEAD = f"""{MADE_BY}

# Logs

Every line is a JSON object on standard error: `timestamp`, `level`, `service`, `module`, `event`, the event's fields.
Lines of libraries have a text as `event`. No line has a key, a token, a picture, a vector or a name of a person.

- `stream`, `owner` and `person` are ids.
- `error` is the text of an error. `exception` is the type of one whose text may hold a secret, and `places` where it
  was raised.
- `reason` is a word. `detail` and `help` are sentences.
"""


class Call(NamedTuple):
    """A place where something is logged."""

    place: str
    service: str
    """Empty: code that all services share."""
    level: str
    event: str | None
    """None: it is no constant."""
    fields: tuple[str, ...]


def page() -> str:
    """Return the text of the page."""
    made = list(calls())
    rows = [_row(event, [call for call in made if call.event == event]) for event in sorted(MEANINGS)]
    return f"{_HEAD}\n{table(('event', 'level', 'logged by', 'fields', 'what it means'), rows)}\n"


def calls() -> Iterator[Call]:
    """Yield every call of a logger in our code."""
    for package in (mosaicast, services_package):
        folder = Path(str(next(iter(package.__path__))))
        for path in sorted(folder.rglob("*.py")):
            yield from calls_of(path.read_text(), str(path.relative_to(folder.parent)))


def calls_of(source: str, place: str) -> Iterator[Call]:
    """Yield every call of a logger in a module's source."""
    parts = Path(place).parts
    service = parts[1] if parts[0] == "services" and parts[1] in SERVICES else ""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    methods = [(node, node.func) for node in nodes if isinstance(node.func, ast.Attribute)]
    bound = [name for node, method in methods if method.attr == "bind" for name in _keywords(node)]
    for node, method in methods:
        if method.attr in _LEVELS and _word(method.value) in _LOGGERS:
            of_all = bound if _word(method.value) == "_log" else ()
            fields = (*of_all, *_keywords(node))
            yield Call(f"{place}:{node.lineno}", service, method.attr, _event(node, method.attr), fields)


def _keywords(call: ast.Call) -> list[str]:
    return [word.arg for word in call.keywords if word.arg is not None and word.arg not in _NO_FIELDS]


def _event(call: ast.Call, level: str) -> str | None:
    given = call.args[1:2] if level == "log" else call.args[:1]
    constant = given[0] if given else None
    return constant.value if isinstance(constant, ast.Constant) and isinstance(constant.value, str) else None


def _row(event: LogEvent, made: list[Call]) -> tuple[str, ...]:
    levels = sorted({_SHOWN.get(call.level, call.level) for call in made})
    callers = sorted({call.service or "all" for call in made})
    fields = sorted({field for call in made for field in call.fields})
    return f"`{event}`", ", ".join(levels), services(callers), codes(fields), MEANINGS[event]


def _word(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        return _word(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
