"""`mosaicast streams`: create, list, delete, new key, panic."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.client import ApiClient
from services.cli.printing import (
    DEFAULT_URL,
    ApiUrl,
    AsJson,
    Owner,
    Token,
    Yes,
    asking,
    print_json,
    print_table,
    refuse_unasked,
)

streams = typer.Typer(no_args_is_help=True, help="Streams: create, list, delete, new key, panic.")
StreamId = Annotated[str, typer.Argument(help="Id of a stream, as `mosaicast streams list` shows it.")]


@streams.command("create")
def streams_create(
    name: Annotated[str, typer.Argument(help="A title for people.")],
    token: Token,
    owner: Owner = "default",
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Create a stream; prints its key, which is shown this once."""
    with ApiClient(api_url, token) as api:
        stream = api.post("/v1/streams", {"name": name, "owner": owner})
    if as_json:
        return print_json(stream)
    return _print_stream(stream)


@streams.command("list")
def streams_list(token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the streams and what becomes of their frames."""
    with ApiClient(api_url, token) as api:
        found = api.get("/v1/status")["streams"]
    if as_json:
        return print_json(found)
    return print_table("stream", "name", "state", "reason", rows=[
        [s["stream_id"], s["name"], s["state"], s.get("reason", "")] for s in found
    ])  # fmt: skip


@streams.command("delete")
def streams_delete(stream_id: StreamId, token: Token, yes: Yes = False, api_url: ApiUrl = DEFAULT_URL) -> None:
    """Delete a stream, after a question; whoever publishes on it is cut off."""
    refuse_unasked(yes, f"the stream {stream_id} is not deleted")
    with ApiClient(api_url, token) as api:
        if not yes:
            name = api.get(stream_path(stream_id))["name"]
            asking(yes)(f"Delete the stream `{name}` ({stream_id}) and its key, for good?")
        api.delete(stream_path(stream_id))


@streams.command("key")
def streams_key(stream_id: StreamId, token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Make a new stream key; the old one is refused from now on."""
    with ApiClient(api_url, token) as api:
        stream = api.post(f"{stream_path(stream_id)}/key")
    if as_json:
        return print_json(stream)
    return _print_stream(stream)


@streams.command("panic")
def streams_panic(
    stream_id: StreamId,
    token: Token,
    release: Annotated[bool, typer.Option("--release", help="End the full mosaic.")] = False,
    api_url: ApiUrl = DEFAULT_URL,
) -> None:
    """Mosaic the whole picture until released."""
    with ApiClient(api_url, token) as api:
        if release:
            api.delete(f"{stream_path(stream_id)}/panic")
        else:
            api.post(f"{stream_path(stream_id)}/panic")


def stream_path(stream_id: str) -> str:
    """Return where the api has a stream."""
    return f"/v1/streams/{quote(stream_id, safe='')}"


def _print_stream(stream: dict[str, Any]) -> None:
    texts = {key: value for key, value in stream.items() if isinstance(value, str)}
    print_table("", "", rows=[[key.replace("_", " "), text] for key, text in texts.items()])
