"""Pages for people: what happens now, and what each kind of problem means."""

from html import escape
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from services.api.http.kinds import FOLDER, KINDS, Kind

STATUS_PAGE = Path(__file__).parent / "status.html"
PROBLEM_PAGE = Path(__file__).parent / "problem.html"
_POLICY = "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_NO_SCRIPT = "default-src 'none'; style-src 'unsafe-inline'"

router = APIRouter(include_in_schema=False)


@router.get("/status")
def status() -> HTMLResponse:
    """Show what happens now, to whoever types the token."""
    return HTMLResponse(STATUS_PAGE.read_text(), headers={"Content-Security-Policy": _POLICY})


@router.get(FOLDER)
def problems() -> HTMLResponse:
    """List the kinds of problems."""
    rows = "".join(
        f'<p><a href="{kind.uri}"><code>{kind.slug}</code></a> {int(kind.status)}: {escape(kind.title)}</p>'
        for kind in KINDS
    )
    return _page("Problems of the API", rows)


@router.get(f"{FOLDER}/{{slug}}")
def problem(slug: str) -> HTMLResponse:
    """Say what a kind of problem means, and what to do."""
    kind = next((kind for kind in KINDS if kind.slug == slug), None)
    if kind is None:
        raise HTTPException(404, "there is no such kind of problem")
    return _page(kind.title, _explained(kind))


def _explained(kind: Kind) -> str:
    again = "" if kind.retry_after_s is None else f"<p>Asking again makes sense after {kind.retry_after_s} s.</p>"
    texts = "".join(f"<p>{escape(text)}</p>" for text in (kind.meaning, kind.remedy))
    return f"<p><code>{kind.uri}</code>, status {int(kind.status)} {kind.status.phrase}</p>{texts}{again}" + (
        f'<p><a href="{FOLDER}">All kinds</a></p>'
    )


def _page(title: str, body: str) -> HTMLResponse:
    text = PROBLEM_PAGE.read_text().replace("TITLE", escape(title)).replace("BODY", body)
    return HTMLResponse(text, headers={"Content-Security-Policy": _NO_SCRIPT})
