"""Structured logs: JSON lines on standard error, without keys, tokens, pictures, vectors or names of people."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, cast

import structlog

REDACTED = "[redacted]"
LONGEST_TEXT = 500
FORBIDDEN_KEYS = frozenset(
    {
        "admin_token", "api_key", "authorization", "cookie", "data", "embedding", "image", "jpeg", "key", "name",
        "password", "person_name", "photo", "secret", "stream_key", "token", "vector",
    }
)  # fmt: skip
"""Log keys whose values never reach a log, whatever they hold."""

_SECRETS = re.compile(
    r"(?P<head>\b(?:token|key|password|secret|authorization)\b\s*[=:]\s*(?:bearer\s+)?|/live/|bearer\s+)[^\s&\"'/?#,]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return `text` without values of tokens, keys and passwords, and without the name behind `/live/`."""
    return _SECRETS.sub(lambda match: match.group("head") + REDACTED, text)


def configure(service: str, *, level: str = "INFO") -> None:
    """Set up this process's logs; call once, in a composition root."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        clean_event,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)


def get_logger(module: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that says which module speaks."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(module=module))


def places(exc: BaseException) -> list[str]:
    """Return where a bug is, innermost first, for errors whose text may hold what must not be logged."""
    frames = reversed(traceback.extract_tb(exc.__traceback__)[-6:])
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def clean_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Drop what must not be logged; keep numbers and short, redacted texts (a structlog processor)."""
    return {key: _clean(key, value) for key, value in event.items()}


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
