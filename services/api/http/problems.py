"""Errors as problem+json (RFC 9457): who is at fault, what to do; no stack trace, no secret."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from traceback import extract_tb
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaicast.adapters.database.storage import StorageError
from mosaicast.runtime.logs import get_logger

CONTENT_TYPE = "application/problem+json"
_LOG = get_logger(__name__)


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field("", examples=["there is no stream `abc`"])


class ProblemError(Exception):
    """An answer that is not the one asked for.

    Args:
        status: HTTP status.
        detail: a plain sentence for the user.
        more: further members of the problem.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more, self.headers = status, detail, dict(more or {}), headers


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of these errors."""
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def document(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return the document without what the framework adds: that problems come as plain JSON too."""
    for path in openapi["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                if CONTENT_TYPE in answer.get("content", {}):
                    answer["content"].pop("application/json", None)
    return openapi


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem, and say so in its OpenAPI document."""
    made = app.openapi
    app.openapi = lambda: document(made())  # type: ignore[method-assign]

    @app.exception_handler(ProblemError)
    async def own(_: Request, exc: ProblemError) -> JSONResponse:
        return _answer(exc.status, exc.detail, exc.more, exc.headers)

    @app.exception_handler(HTTPException)
    async def framework(_: Request, exc: HTTPException) -> JSONResponse:
        return _answer(exc.status_code, str(exc.detail), headers=exc.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
        # Values are left out: they may be secrets, and the sender knows them.
        errors = [{"field": _text(".".join(map(str, e["loc"]))), "message": _text(e["msg"])} for e in exc.errors()]
        first = f"{errors[0]['field']}: {errors[0]['message']}" if errors else "the request is not valid"
        return _answer(422, first, {"errors": errors})

    @app.exception_handler(StorageError)
    async def storage(_: Request, exc: StorageError) -> JSONResponse:
        _LOG.error("storage_failed", error=str(exc))
        return _answer(503, "the database does not answer; try again", headers={"Retry-After": "2"})

    app.add_middleware(_Bugs)


class _Bugs:
    """Answers what no handler takes with 500.

    The framework's handler of `Exception` raises it again for the server to log, with a text that may hold anything:
    here only the kind and the places are logged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception as exc:
            _LOG.error("bug", error=type(exc).__name__, places=_places(exc))
            if started or scope["type"] != "http":
                raise
            await _answer(500, "this is our mistake; it has been logged")(scope, receive, send)


def _places(exc: BaseException) -> list[str]:
    """Return where it was raised, innermost first."""
    frames = reversed(extract_tb(exc.__traceback__)[-6:])
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _text(text: str) -> str:
    """Return what fits into an answer: names of members are the sender's, and JSON allows half characters in them."""
    return text[:200].encode("utf-8", "replace").decode()


def _answer(
    status: int, detail: str, more: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(more or {})}
    extra = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status, extra, CONTENT_TYPE)
