"""The page of settings: every variable, its type, its default, who reads it."""

import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from mosaicast.runtime.settings import SERVICES, Settings, Variable, variables
from mosaicast.runtime.settings.services import PREFIX
from tools.reference.docstrings import texts_below
from tools.reference.markdown import MADE_BY, codes, services, table

_HEAD = f"""{MADE_BY}

# Settings

Each is a variable of the environment, a line of the file that `MOSAICAST_ENV_FILE` names, or a file in the folder that
`MOSAICAST_SECRETS_DIR` names (`mosaicast_edge__token`). The first of these that has it counts. A service reads the
settings in whose row it stands, and no other. `mosaicast up` sets many of them itself and hands on the rest.

`MOSAICAST_KAFKA_HOME` (where `make setup-kafka` puts Apache Kafka) and `MOSAICAST_TOKEN` (the administrator's token)
are for the command line only.
"""
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", SecretStr: "secret"}
_LIMITS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


def page() -> str:
    """Return the text of the page."""
    parts = [_HEAD, _section("Of the process", None)]
    parts += [_section(_title(block), block) for block in _blocks()]
    return "\n".join(parts)


def _blocks() -> list[type[BaseModel]]:
    return list(dict.fromkeys(one.block for one in variables(Settings) if one.block is not None))


def _title(block: type[BaseModel]) -> str:
    return (block.__doc__ or "").split(".")[0].split(":")[0].split(",")[0].strip()


def _section(title: str, block: type[BaseModel] | None) -> str:
    rows = [_row(one) for one in variables(Settings) if one.block is block]
    head = ("setting", "type", "default", "read by", "what it is")
    told = "" if block is None else " ".join((block.__doc__ or "").split())
    about = "" if told in {"", f"{title}."} else f"{told}\n\n"
    return f"## {title}\n\n{about}{table(head, rows)}\n"


def _row(one: Variable) -> tuple[str, ...]:
    return f"`{one.name}`", kind(one.field), default(one.field), services(readers(one.name)), description(one)


def description(one: Variable) -> str:
    """Return the text below a setting; empty: there is none."""
    first, _, second = one.name.removeprefix(PREFIX).lower().partition("__")
    return texts_below(Settings).get(first, "") if one.block is None else texts_below(one.block).get(second, "")


def readers(name: str) -> list[str]:
    """Return the services that read a setting."""
    return [service for service, own in SERVICES.items() if name in {one.name for one in variables(own)}]


def default(field: FieldInfo) -> str:
    """Return a setting's default as an operator would write it."""
    if field.default_factory is not None:
        return "the user's own"
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value() or None
    if value is None or value == "":
        return "none"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return codes(text.split(",")) if "," in text else f"`{text}`"


def kind(field: FieldInfo) -> str:
    """Return a setting's type in words, with its limits."""
    types_ = [one for one in _alternatives(field.annotation) if one is not type(None)]
    return " ".join([" or ".join(map(_word, types_)), *_limits(field.metadata)])


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _word(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return codes(map(str, get_args(annotation)))
    if get_origin(annotation) is typing.Annotated:  # FilePath
        return "file"
    return _WORDS[annotation]


def _limits(metadata: Iterable[object]) -> Iterator[str]:
    for constraint in metadata:
        for name, word in _LIMITS.items():
            if (limit := getattr(constraint, name, None)) is not None:
                yield f"{word} {limit}"
