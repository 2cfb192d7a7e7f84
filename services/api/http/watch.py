"""The watch page: a stream for viewers, in any browser. Nothing comes from another host; no script is inline."""

import json
import re
import sysconfig
from html import escape
from pathlib import Path
from string import Template
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

from services.api.http.depends import D
from services.api.watching import WORDS, ViewerState, viewer_state

PAGE = Path(__file__).parent / "player" / "watch.html"
HLS_JS = "hls.light.min.js"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_OURS = {"watch.js": _JAVASCRIPT, "watch.css": "text/css; charset=utf-8"}
_THEIRS = {HLS_JS: _JAVASCRIPT, "hls.worker.js": _JAVASCRIPT}
_HEADERS = {"Cache-Control": "no-cache", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")

router = APIRouter(include_in_schema=False)


def player_folder() -> Path:
    """Return the folder of this installation into which the set-up puts hls.js."""
    return Path(sysconfig.get_path("data")) / "share" / "mosaicast" / "player"


@router.get("/watch/{stream_id}")
def watch(stream_id: str, deps: D) -> HTMLResponse:
    """Play the masked stream."""
    rtmp_url, hls_url = deps.addresses.masked(deps.stream(stream_id).stream_id)
    values = {
        "hls": hls_url,
        "rtmp": rtmp_url,
        "state": f"{stream_id}/state",
        "words": json.dumps(WORDS),
        "waiting": WORDS["loading"],
        "mute": WORDS["mute"],
    }
    text = Template(PAGE.read_text()).substitute({name: escape(value) for name, value in values.items()})
    return HTMLResponse(text, headers={**_HEADERS, "Content-Security-Policy": _policy(hls_url)})


@router.get("/watch/{stream_id}/state")
def state(stream_id: str, deps: D, response: Response) -> dict[str, ViewerState | int]:
    """Say what the stream is to its viewers now, and the time, by which the page tells how far it is behind."""
    stream, now = deps.stream(stream_id), deps.monotonic_s()
    status = deps.board.view(stream, deps.addresses.masked(stream_id), now, {}, deps.wall_ms())
    response.headers["Cache-Control"] = "no-store"
    all_masked = deps.board.all_masked(stream_id, now)
    return {"state": viewer_state(status, panic=stream.panic, all_masked=all_masked), "at_ms": deps.wall_ms()}


@router.get("/player/{name}")
def player(name: Annotated[str, InPath(max_length=40)]) -> FileResponse:
    """Hand out what the watch page is made of."""
    folders = {PAGE.parent: _OURS, player_folder(): _THEIRS}
    for folder, files in folders.items():
        if name in files and (folder / name).is_file():
            return FileResponse(folder / name, media_type=files[name], headers=_HEADERS)
    raise HTTPException(404, "the watch page has no such file here; scripts/setup brings hls.js")


def _policy(hls_url: str) -> str:
    """Return what the page may load and from where: scripts from here alone, media from the edge too."""
    parts = urlsplit(hls_url)
    edge = f"{parts.scheme}://{parts.netloc}"
    media = f" {edge}" if _ORIGIN.fullmatch(edge) else ""
    return (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src data:; "
        f"connect-src 'self'{media}; media-src 'self' blob:{media}; base-uri 'none'; form-action 'none'"
    )
