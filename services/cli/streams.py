"""`mosaicast streams`: create, list, show, delete, new key, panic."""

from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from services.cli.client import ApiClient
from services.cli.failures import CommandError
from services.cli.printing import (
    DEFAULT_URL,
    ApiUrl,
    AsJson,
    Owner,
    Token,
    Yes,
    asking,
    print_json,
    print_lines,
    print_table,
    refuse_unasked,
)
from services.cli.status import refused_at

streams = typer.Typer(no_args_is_help=True, help="Streams: create, list, show, delete, new key, panic.")
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
    return _print_stream(stream, api_url)


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


@streams.command("show")
def streams_show(stream_id: StreamId, token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show how one stream stands, where it is watched, and publishers that were refused on it."""
    with ApiClient(api_url, token) as api:
        stream = api.get(stream_path(stream_id))
        found = [one for one in api.get("/v1/status")["streams"] if one["stream_id"] == stream["stream_id"]]
    if not found:
        raise CommandError(f"the stream {stream_id} was deleted just now")
    if as_json:
        return print_json(found[0])
    return print_lines(
        f"Stream {stream['stream_id']}: {stream['name']}",
        ("state", found[0]["state"]),
        *([("reason", found[0]["reason"])] if found[0]["reason"] else []),
        ("Server", stream["publish_url"]),
        ("page", _page(stream, api_url)),
        ("RTMP", stream["rtmp_url"]),
        ("HLS", stream["hls_url"]),
        *refused_at("it", found[0]),
    )


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
    return _print_stream(stream, api_url)


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


def _print_stream(stream: dict[str, Any], api_url: str) -> None:
    print_lines(
        f"Stream {stream['stream_id']}: {stream['name']}",
        "Publish: in OBS Settings, Stream, Service Custom (the key is shown this once)",
        ("Server", stream["publish_url"]),
        ("Stream Key", stream["stream_key"]),
        "Watch",
        ("page", _page(stream, api_url)),
        ("RTMP", stream["rtmp_url"]),
        ("HLS", stream["hls_url"]),
    )


def _page(stream: dict[str, Any], api_url: str) -> str:
    """Return the address of the page for viewers: the api's word, or it is told nowhere and follows from ours."""
    told = stream.get("watch_url")
    return str(told) if told else f"{_seen_by_others(api_url, stream['publish_url'])}/watch/{stream['stream_id']}"


def _seen_by_others(api_url: str, publish_url: str) -> str:
    """Return the api's address for viewers, to whom its name on the loopback is nothing."""
    api, public = urlsplit(api_url), urlsplit(publish_url)
    if api.hostname not in {"127.0.0.1", "localhost", "::1"} or not public.hostname:
        return api_url.rstrip("/")
    host = f"[{public.hostname}]" if ":" in public.hostname else public.hostname
    return api._replace(netloc=host if api.port is None else f"{host}:{api.port}").geturl().rstrip("/")
