"""`mosaicast status`: what happens on all streams now."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from services.cli.client import ApiClient
from services.cli.printing import DEFAULT_URL, ApiUrl, AsJson, Token, out, print_json, table

_EVERY_S = 1.0
"""The parts report as often."""


def status(
    token: Token,
    watch: Annotated[bool, typer.Option("--watch", help="Again every second, until Ctrl-C.")] = False,
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show every stream's state, delay, frames and faces, publishers that were refused, and what must be mended.

    With --watch and --json: a line of JSON each second.
    """
    with ApiClient(api_url, token) as api:
        if watch:
            _watch(api, as_json)
        elif as_json:
            print_json(api.get("/v1/status"))
        else:
            out.print(_drawn(api.get("/v1/status")), soft_wrap=True)


def _watch(api: ApiClient, as_json: bool) -> None:
    from rich.live import Live

    from mosaicast.runtime.lifecycle import StopEvent

    stop = StopEvent().install()
    if as_json:
        while not stop.is_set():
            sys.stdout.write(json.dumps(api.get("/v1/status")) + "\n")
            sys.stdout.flush()
            stop.wait(_EVERY_S)
        return
    with Live(console=out, auto_refresh=False) as live:
        while not stop.is_set():
            live.update(_drawn(api.get("/v1/status")), refresh=True)
            stop.wait(_EVERY_S)


def _drawn(state: dict[str, Any]) -> Table | Group:
    rows = [_row(stream) for stream in state["streams"]]
    streams = table("stream", "name", "state", "fps", "delay", "clear", "masked", "dropped", "reason", rows=rows)
    below = [*map(Text, refused(state)), *(Text(f"problem: {sentence}") for sentence in state["problems"])]
    return Group(streams, *below) if below else streams


def refused(state: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each publisher that a status says was refused; streams first, then the edge."""
    for stream in state["streams"]:
        yield from refused_at(stream["stream_id"], stream)
    yield from refused_at("the edge", state.get("edge", {}))


def refused_at(place: str, told: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each publisher that was refused at one place."""
    for one in told.get("refused", []):
        last = datetime.fromtimestamp(one["last_ms"] / 1000).astimezone()
        times = "once" if one["times"] == 1 else f"{one['times']} times"
        yield f"refused at {place}: from {one['address']}, {times}, last at {last:%H:%M:%S}: {one['reason']}"


def _row(stream: dict[str, Any]) -> list[str]:
    delay_ms = stream["latency_ms"]
    return [
        stream["stream_id"],
        stream["name"],
        stream["state"],
        f"{stream['fps']:.0f}",
        "" if delay_ms is None else f"{delay_ms / 1000:.2f} s",
        f"{stream['tracks'].get('clear', 0):.0f}",
        f"{stream['tracks'].get('masked', 0):.0f}",
        str(stream["frames"]["dropped"]),
        stream["reason"],
    ]
