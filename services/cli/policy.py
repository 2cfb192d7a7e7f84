"""`mosaicast policy`: how a stream is masked and encoded."""

from typing import Annotated, Any

import typer

from services.cli.client import ApiClient
from services.cli.printing import DEFAULT_URL, ApiUrl, AsJson, Token, print_json, print_table
from services.cli.streams import StreamId, stream_path

policy = typer.Typer(no_args_is_help=True, help="How a stream is masked and encoded: show, set.")
Zones = Annotated[
    list[str] | None,
    typer.Option(
        help="Always mask this rectangle, in fractions of the frame; again for each. Takes the place of all zones.",
        metavar="X,Y,WIDTH,HEIGHT",
    ),
]
AddedZones = Annotated[
    list[str] | None, typer.Option(help="The same, beside the zones that are there.", metavar="X,Y,WIDTH,HEIGHT")
]


@policy.command("show")
def policy_show(stream_id: StreamId, token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show how a stream is masked and encoded."""
    with ApiClient(api_url, token) as api:
        _print(api.get(f"{stream_path(stream_id)}/policy"), as_json)


@policy.command("set")
def policy_set(  # noqa: PLR0913, PLR0917 - a parameter an option
    stream_id: StreamId,
    token: Token,
    style: Annotated[str | None, typer.Option(help="mosaic, blur or solid.")] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds that output runs behind input.")] = None,
    preset: Annotated[str | None, typer.Option(help="x264's: superfast, veryfast, faster, fast or medium.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second that are looked at.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Detection score from which a face is masked.")] = None,
    zone: Zones = None,
    add_zone: AddedZones = None,
    no_zones: Annotated[bool, typer.Option("--no-zones", help="Take all zones away.")] = False,
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Change what is named, at once, also while the stream is live; the rest stays."""
    if sum((bool(zone), bool(add_zone), no_zones)) > 1:
        raise typer.BadParameter("choose one: --zone, --add-zone or --no-zones")
    named = {
        "style": style, "delay_s": delay, "preset": preset, "analysis_fps": fps, "detection_threshold": threshold,
        "zones": [_zone(text) for text in zone] if zone else [] if no_zones else None,
    }  # fmt: skip
    changes = {member: value for member, value in named.items() if value is not None}
    added = [_zone(text) for text in add_zone or []]
    if not changes and not added:
        raise typer.BadParameter("nothing is to be changed: name an option")
    path = f"{stream_path(stream_id)}/policy"
    with ApiClient(api_url, token) as api:
        if added:
            before, tag = api.get_tagged(path)
            # Only if nobody changed it since: no zone of somebody else's gets lost.
            changed = api.patch(path, changes | {"zones": before["zones"] + added}, if_match=tag)
        else:
            changed = api.patch(path, changes)
    _print(changed, as_json)


def _zone(text: str) -> dict[str, float]:
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError as exc:
        raise typer.BadParameter(f"a zone is X,Y,WIDTH,HEIGHT, as 0.75,0,0.25,0.2: {text}") from exc
    return {"x": x, "y": y, "width": width, "height": height}


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(found)
    zones = ["{x:g},{y:g},{width:g},{height:g}".format(**zone) for zone in found["zones"]]
    rows = [[name.replace("_", " "), str(value)] for name, value in found.items() if name != "zones"]
    return print_table("", "", rows=[*rows, ["zones", "  ".join(zones) or "none"]])
