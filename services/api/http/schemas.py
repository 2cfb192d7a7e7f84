"""What the bodies of requests and answers share. Each body has an example, which the OpenAPI document shows."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["Main square"])]
Owner = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.\-]{1,64}$",
        description="Whose it is. People stay visible on the streams of their own owner only.",
        examples=["default"],
    ),
]
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _written_out(value: object) -> object:
    """Refuse what the library would take too: numbers of seconds or milliseconds, dates without a time."""
    if not isinstance(value, str) or not _RFC_3339.match(value):
        raise ValueError(
            "a date and time with its zone is wanted, as 2030-12-31T18:00:00+09:00 or 2030-12-31T09:00:00Z"
        )
    return value


def _since_1970(value: datetime) -> datetime:
    if value < _EPOCH:
        raise ValueError("it is before 1970")
    return value


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_since_1970),
    Field(description="Date and time with its zone (RFC 3339).", examples=["2030-12-31T18:00:00+09:00"]),
]


def to_ms(moment: datetime) -> int:
    """Return wall milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def to_moment(ms: int) -> datetime:
    """Return the moment of wall milliseconds since 1970, in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


def shown(example: dict[str, Any]) -> ConfigDict:
    """Return the configuration of a body that is shown with this example."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Strict(BaseModel):
    """A request body: unknown members are a mistake of the sender."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel):
    """A part of a list."""

    next_cursor: str | None = Field(
        default=None, description="Send it as `cursor` for the next page; null: this is the last one."
    )
