"""The HTTP app, from its parts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline

from mosaicast.adapters.database.storage import StorageError
from mosaicast.runtime.metrics import Metrics
from services.api.deps import Deps
from services.api.http import hooks, problems, routes_consents, routes_people, routes_streams
from services.api.http.depends import D, require_admin
from services.api.http.kinds import OUR_MISTAKE
from services.api.http.middleware import BodyLimit, RequestCount
from services.api.http.schemas import StatusOut, StreamStatus

PAGE = Path(__file__).parent / "status.html"
WATCH_PAGE = Path(__file__).parent / "watch.html"
_POLICY = "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src * blob:"
_DESCRIPTION = """Streams, enrolled people, and what becomes of every frame.

Errors are `application/problem+json` (RFC 9457)."""


def create_app(deps: Deps, metrics: Metrics, ready: Callable[[], bool], lifespan: Any = None) -> FastAPI:
    """Return the app; nothing is opened before it runs.

    Args:
        ready: whether it can do its work now.
        lifespan: what runs beside it.
    """
    # /docs takes the administrator's token: its scripts come from here, not from somebody else's server.
    app = FastAPIOffline(
        title="Mosaicast",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        responses=problems.responses(OUR_MISTAKE),
        dependencies=[Depends(HTTPBearer(auto_error=False, description="The administrator's token."))],
    )
    app.state.deps = deps
    problems.install(app)
    people = (routes_people.router, routes_consents.router, routes_people.gallery)
    for router in (routes_streams.router, *people, hooks.router):
        app.include_router(router)
    _add_status(app)
    _add_probes(app, ready)
    # The last is the outermost: what is refused for its size is counted too.
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestCount, metrics=metrics)
    return app


def _add_status(app: FastAPI) -> None:
    @app.get(
        "/v1/status",
        tags=["status"],
        dependencies=[Depends(require_admin)],
        responses=problems.responses(*problems.COMMON),
    )
    def status(deps: D) -> StatusOut:
        """All streams as they are now: state, latency, what became of the frames, faces by reason, who is seen."""
        now = deps.monotonic_s()
        names = deps.storage.names(deps.board.visible_people())
        seen = [deps.board.view(s, deps.addresses.masked(s.stream_id), now, names) for s in deps.storage.streams()]
        streams = [StreamStatus.model_validate(stream, from_attributes=True) for stream in seen]
        problems = [] if deps.vault.refuses is None else [deps.vault.refuses]
        return StatusOut(streams=streams, problems=problems, at_ms=deps.wall_ms())

    @app.get("/status", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text(), headers={"Content-Security-Policy": _POLICY})

    @app.get("/watch/{stream_id}", include_in_schema=False)
    def watch(stream_id: str, deps: D) -> HTMLResponse:
        _, hls_url = deps.addresses.masked(deps.stream(stream_id).stream_id)
        # JSON is JavaScript, except that the page's own script would end at `</script>`.
        text = WATCH_PAGE.read_text().replace("HLS_URL", json.dumps(hls_url).replace("<", "\\u003c"))
        return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY})


def _add_probes(app: FastAPI, ready: Callable[[], bool]) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    def readyz(deps: D) -> Response:
        good = ready() and _answers(deps)
        return Response("ok\n" if good else "not now\n", 200 if good else 503, media_type="text/plain")


def _answers(deps: Deps) -> bool:
    try:
        deps.storage.secret_sha256("admin_token")
    except StorageError:
        return False
    return True
