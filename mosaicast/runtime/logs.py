"""Structured logs: JSON lines on standard error, without keys, tokens, pictures, vectors or names of people."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from mosaicast.runtime.log_events import Log
from mosaicast.runtime.structlog_alone import ProcessorFormatter, structlog

REDACTED = "[redacted]"
LONGEST_TEXT = 500
FORBIDDEN_KEYS = frozenset(
    {
        "admin_token", "api_key", "authorization", "cookie", "data", "embedding", "image", "jpeg", "key", "name",
        "password", "person_name", "photo", "secret", "stream_key", "token", "vector",
    }
)  # fmt: skip
"""Log keys whose values never reach a log, whatever they hold."""

LIBRARIES_FROM = logging.WARNING
"""What libraries say below this is for their makers; httpx, for one, tells every URL that it asks."""

_OURS = "mosaicast"
"""The one logger of the standard library that our lines go through, whichever module speaks."""
_SECRETS = re.compile(
    r"(?P<head>\b(?:(?:access|admin|api|sasl|stream)[_-])?(?:token|key|password|secret|authorization)\b"
    r"[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?|/live/|bearer\s+)[^\s&\"'/?#,]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return `text` without values of tokens, keys and passwords, and without the name behind `/live/`."""
    return _SECRETS.sub(lambda match: match.group("head") + REDACTED, text)


def configure(service: str, *, level: str = "INFO") -> None:
    """Set up this process's logs; call once, in a composition root.

    Our lines, those of libraries (uvicorn, alembic, httpx, asyncio) and Python's warnings take one way out: the same
    processors and the same stream. Libraries speak from LIBRARIES_FROM on.

    Args:
        level: the least that is logged, as the standard library names it.
    """
    numeric = logging.getLevelNamesMapping()[level.upper()]
    before: list[structlog.typing.Processor] = [partial(_sign, service), *_BEFORE]
    after: list[structlog.typing.Processor] = [ProcessorFormatter.remove_processors_meta, *_AFTER]
    _install(ProcessorFormatter(foreign_pre_chain=before, processors=after), numeric)
    structlog.configure(
        processors=[*before, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=lambda *_: logging.getLogger(_OURS),
        cache_logger_on_first_use=False,
    )


def _install(formatter: logging.Formatter, level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]  # whoever installed another would write past the redaction
    root.setLevel(max(level, LIBRARIES_FROM))
    logging.getLogger(_OURS).setLevel(level)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a line that can't be formatted would be printed as it is


def get_logger(module: str) -> Log:
    """Return a logger that says which module speaks."""
    return cast("Log", structlog.get_logger(module=module))


def places(exc: BaseException) -> list[str]:
    """Return where a bug is, innermost first, for errors whose text may hold what must not be logged."""
    frames = reversed(traceback.extract_tb(exc.__traceback__)[-6:])
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def place_exception(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put an exception's type and where it was raised in the place of its traceback (a structlog processor).

    Its text stays out: it may quote a vector or a key that no pattern finds.
    """
    told = event.pop("exc_info", None)
    if told is True:
        told = sys.exc_info()
    exc = told[1] if isinstance(told, tuple) else told
    if isinstance(exc, BaseException):
        event.update(exception=type(exc).__name__, places=places(exc))
    return event


def clean_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Drop what must not be logged; keep numbers and short, redacted texts (a structlog processor)."""
    return {key: _clean(key, value) for key, value in event.items()}


def _sign(service: str, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name who speaks, in a library's line its logger (a structlog processor)."""
    event.setdefault("service", service)
    if "_record" in event:
        event["module"] = event["_record"].name
    return event


def _clean(key: str, value: object) -> object:
    if key.lower() in FORBIDDEN_KEYS:
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview) or hasattr(value, "__array__"):
        return f"[{type(value).__name__}]"
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(key, held) for held in list(value)[:50]]
    return redact(str(value))[:LONGEST_TEXT]


_BEFORE: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_AFTER: list[structlog.typing.Processor] = [place_exception, clean_event, structlog.processors.JSONRenderer()]

# A program without `configure` (a tool, a child) tells its warnings, redacted too; standard output is for its results.
structlog.configure(
    processors=[*_BEFORE, *_AFTER],
    wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    cache_logger_on_first_use=False,
)
