"""The HTTP app, from its parts."""

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline

from mosaicast.adapters.database.storage import StorageError
from mosaicast.runtime.metrics import Metrics
from services.api.deps import Deps
from services.api.http import (
    hooks,
    pages,
    problems,
    routes_consents,
    routes_people,
    routes_status,
    routes_streams,
    watch,
)
from services.api.http.depends import D
from services.api.http.kinds import OUR_MISTAKE
from services.api.http.middleware import BodyLimit, RequestCount

_DESCRIPTION = """Streams, enrolled people, and what becomes of every frame.

Errors are `application/problem+json` (RFC 9457). Programs compare a problem's `type`; it is a path of this api, where a
page tells what to do. Sentences are for people, and may change."""
_TAGS = [
    {
        "name": "streams",
        "description": "A stream is what one stream key publishes: one source, one policy, one masked output.",
    },
    {
        "name": "people",
        "description": "Enrolled people stay visible on their own owner's streams, as long and where they agreed to. "
        "Everybody else is masked.",
    },
    {"name": "status", "description": "What happens now, and what became of every frame."},
]
_NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""The framework's own: its logs would pass by our redaction, and the edge's token is in the addresses of hooks."""


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
        openapi_tags=_TAGS,
        lifespan=lifespan,
        telemetry=_NO_TELEMETRY,
        responses=problems.responses(OUR_MISTAKE),
        dependencies=[Depends(HTTPBearer(auto_error=False, description="The administrator's token."))],
    )
    app.state.deps = deps
    problems.install(app)
    people = (routes_people.router, routes_consents.router, routes_people.gallery)
    for router in (routes_streams.router, *people, routes_status.router, hooks.router, pages.router, watch.router):
        app.include_router(router)
    _add_probes(app, ready)
    # The last is the outermost: what is refused for its size is counted too.
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestCount, metrics=metrics)
    return app


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
