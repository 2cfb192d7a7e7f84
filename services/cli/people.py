"""`mosaicast enroll`, `mosaicast people`, `mosaicast reindex`."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from services.cli.client import ApiClient, ApiError
from services.cli.printing import (
    DEFAULT_URL,
    ApiUrl,
    AsJson,
    Owner,
    Token,
    Yes,
    asking,
    err,
    out,
    print_json,
    print_table,
    refuse_unasked,
)
from services.cli.times import moment

people = typer.Typer(no_args_is_help=True, help="Enrolled people, who stay visible.")
PersonId = Annotated[str, typer.Argument(help="Id of a person, as `mosaicast people list` shows it.")]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        help="When the consent runs out: 2030-12-31 (to the end of that day) or 2030-12-31T18:00:00+09:00.",
        metavar="TIME",
        parser=moment,
    ),
]
_VIDEO_HELP = "A video of that person alone, 5 to 30 seconds: towards the camera, then slowly to both sides."
Video = Annotated[Path | None, typer.Option("--video", help=_VIDEO_HELP)]
_POLL_S = 0.5


def enroll(  # noqa: PLR0913, PLR0917 - a parameter an option
    name: Annotated[str, typer.Argument(help="Who it is.")],
    token: Token,
    photos: Annotated[list[Path] | None, typer.Argument(help="Up to 20 photos of that person.")] = None,
    video: Video = None,
    owner: Owner = "default",
    until: Until = None,
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Enroll a person from photos, a video, or both: this face stays visible. Exit status 1 if nothing can be used."""
    if not photos and video is None:
        raise typer.BadParameter("give at least one photo, or --video FILE")
    try:
        with ApiClient(api_url, token) as api:
            person = api.enroll(name, photos or [], video, owner=owner, expires_at=until)
    except ApiError as exc:
        _print_refused(exc, as_json)
        raise
    if as_json:
        return print_json(person)
    _print_verdicts(person)
    out.print(f"enrolled as {person['person_id']}, {_end(person)}", markup=False)
    return None


@people.command("list")
def people_list(token: Token, owner: Owner = "default", api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the enrolled people."""
    with ApiClient(api_url, token) as api:
        found = api.get(f"/v1/people?{urlencode({'owner': owner})}")["people"]
    if as_json:
        return print_json(found)
    return print_table("person", "name", "photos used", "consent", rows=[
        [p["person_id"], p["name"], str(sum(photo["verdict"] == "ok" for photo in p["photos"])), _end(p)] for p in found
    ])  # fmt: skip


@people.command("delete")
def people_delete(person_id: PersonId, token: Token, yes: Yes = False, api_url: ApiUrl = DEFAULT_URL) -> None:
    """Un-enroll a person and erase photos and templates, after a question: masked again at once."""
    refuse_unasked(yes, f"the person {person_id} is not erased")
    with ApiClient(api_url, token) as api:
        if not yes:
            name = api.get(person_path(person_id))["name"]
            asking(yes)(f"Erase `{name}` ({person_id}), photos and templates, for good?")
        api.delete(person_path(person_id))


@people.command("add-video")
def people_add_video(
    person_id: PersonId,
    video: Annotated[Path, typer.Argument(help=_VIDEO_HELP)],
    token: Token,
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Add looks from several sides, out of a video, to an enrolled person. Exit status 1 if it can't be used."""
    try:
        with ApiClient(api_url, token) as api:
            person = api.add_video(person_path(person_id), video)
    except ApiError as exc:
        _print_refused(exc, as_json)
        raise
    if as_json:
        return print_json(person)
    _print_verdicts({"photos": [], "videos": person["videos"]})
    return None


@people.command("extend")
def people_extend(  # noqa: PLR0913, PLR0917 - a parameter an option
    person_id: PersonId,
    token: Token,
    until: Until = None,
    no_end: Annotated[bool, typer.Option("--no-end", help="The consent never runs out.")] = False,
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Change when a consent runs out; a time in the past ends it at once."""
    if (until is None) is not no_end:
        raise typer.BadParameter("choose one: --until TIME or --no-end")
    with ApiClient(api_url, token) as api:
        person = api.patch(person_path(person_id), {"expires_at": until})
    if as_json:
        return print_json(person)
    out.print(f"{person['name']}: {_end(person)}", markup=False)
    return None


def reindex(
    token: Token,
    everybody: Annotated[
        bool, typer.Option("--all", help="Of everybody, also where the networks are the same.")
    ] = False,
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Make templates again from the kept photos, after the embedding models changed; goes on where it was cut off."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with ApiClient(api_url, token) as api:
        state = api.post("/v1/gallery/reindex", {"everybody": everybody})
        bar = Progress(TextColumn("people"), BarColumn(), MofNCompleteColumn(), console=err)
        with bar:
            task = bar.add_task("", total=state["total"], completed=state["done"])
            while state["state"] == "running":
                threading.Event().wait(_POLL_S)  # another process works: there is no event to wait for
                state = api.get("/v1/gallery/reindex")
                bar.update(task, total=state["total"], completed=state["done"])
    if as_json:
        print_json(state)
    for person_id in state["skipped"] if not as_json else []:
        out.print(f"{person_id}: no kept photo can be used; enroll this person again", markup=False)
    if state["state"] != "done":
        raise ApiError(f"not finished: {state['reason']}")


def person_path(person_id: str) -> str:
    """Return where the api has a person."""
    return f"/v1/people/{quote(person_id, safe='')}"


def _print_refused(exc: ApiError, as_json: bool) -> None:
    if as_json and exc.problem:
        print_json(exc.problem)
    elif exc.problem.get("photos") or exc.problem.get("videos"):
        _print_verdicts(exc.problem)


def _print_verdicts(told: Mapping[str, Any]) -> None:
    rows = [[one["file"], one["verdict"], _sentence(one)] for one in told.get("photos", [])]
    for video in told.get("videos", []):
        looks = f"{video['looks']} looks ({', '.join(video['sides'])})" if video["looks"] else ""
        rows.append([video["file"], video["verdict"], "; ".join(filter(None, (_sentence(video), looks)))])
    print_table("photo", "verdict", "", rows=rows)


def _sentence(one: Mapping[str, Any]) -> str:
    return "; ".join(text for text in (one["detail"], one["note"]) if text)


def _end(person: dict[str, Any]) -> str:
    if person["expires_at"] is None:
        return "without end"
    return f"{'ended' if person['expired'] else 'until'} {person['expires_at']}"
