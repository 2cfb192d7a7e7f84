"""`mosaicast consents`: what people said about single streams."""

from typing import Any
from urllib.parse import quote

import typer

from services.cli.client import ApiClient
from services.cli.people import PersonId, Until, person_path
from services.cli.printing import DEFAULT_URL, ApiUrl, AsJson, Token, out, print_json, print_table
from services.cli.streams import StreamId

consents = typer.Typer(
    no_args_is_help=True, help="What a person said about single streams: it counts for more than the person's own end."
)


@consents.command("list")
def consents_list(person_id: PersonId, token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the streams about which a person said something."""
    with ApiClient(api_url, token) as api:
        found = api.get(person_path(person_id))["consents"]
    if as_json:
        return print_json(found)
    return print_table("stream", "", "until", "now", rows=[
        [c["stream_id"], "allowed" if c["allowed"] else "refused", c["expires_at"] or "", _now(c)] for c in found
    ])  # fmt: skip


@consents.command("allow")
def consents_allow(  # noqa: PLR0913, PLR0917 - a parameter an option
    person_id: PersonId,
    stream_id: StreamId,
    token: Token,
    until: Until = None,
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Let a person be seen on a stream, without --until as long as the person's own consent says."""
    _say(person_id, stream_id, {"allowed": True, "expires_at": until}, token, api_url, as_json)


@consents.command("refuse")
def consents_refuse(
    person_id: PersonId, stream_id: StreamId, token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Mask a person on a stream, at once."""
    _say(person_id, stream_id, {"allowed": False}, token, api_url, as_json)


@consents.command("clear")
def consents_clear(person_id: PersonId, stream_id: StreamId, token: Token, api_url: ApiUrl = DEFAULT_URL) -> None:
    """Take back what was said about a stream: the person's own consent holds there again."""
    with ApiClient(api_url, token) as api:
        api.delete(_path(person_id, stream_id))


def _say(  # noqa: PLR0913, PLR0917 - what every command has
    person_id: str, stream_id: str, said: dict[str, Any], token: str, api_url: str, as_json: bool
) -> None:
    with ApiClient(api_url, token) as api:
        consent = api.put(_path(person_id, stream_id), said)
    if as_json:
        return print_json(consent)
    return out.print(f"{person_id} on {stream_id}: {_now(consent)}", markup=False)


def _path(person_id: str, stream_id: str) -> str:
    return f"{person_path(person_id)}/consents/{quote(stream_id, safe='')}"


def _now(consent: dict[str, Any]) -> str:
    return "may be seen" if consent["visible"] else "masked"
