"""Errors as problem+json (RFC 9457): who is at fault, what to do; no stack trace, no secret."""

from collections.abc import Mapping
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from traceback import extract_tb
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaicast.adapters.database.storage import StorageError
from mosaicast.runtime.logs import get_logger
from services.api import errors
from services.api.http import kinds
from services.api.http.kinds import Kind
from services.api.http.people_out import clip_out, judged_out
from services.api.people.clips import ClipRefusedError
from services.api.people.enrollment import PhotosRefusedError, PhotosTooLargeError

CONTENT_TYPE = "application/problem+json"
COMMON = (kinds.TOKEN_WANTED, kinds.NOT_VALID, kinds.DATABASE_AWAY)
"""What may come of every request below `/v1`, beside our mistakes."""
_LOG = get_logger(__name__)


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra={"examples": [kinds.NO_SUCH_STREAM.example]})

    type: str = Field(
        description="What kind it is, for programs to compare: a path of this api, where a page tells what to do."
    )
    title: str = Field(description="The kind in words; the same for all of its kind.")
    status: int
    detail: str = Field(description="This one in a plain sentence, for people.")


KIND_OF: Mapping[type[errors.DomainError], Kind] = {
    errors.NoSuchStreamError: kinds.NO_SUCH_STREAM,
    errors.NoSuchPersonError: kinds.NO_SUCH_PERSON,
    errors.NoSuchPhotoError: kinds.NO_SUCH_PHOTO,
    errors.NothingSaidError: kinds.NOTHING_SAID,
    errors.BeingErasedError: kinds.BEING_ERASED,
    errors.ForeignStreamError: kinds.OTHER_OWNER,
    errors.ChangedMeanwhileError: kinds.CHANGED_MEANWHILE,
    errors.SourceRefusedError: kinds.SOURCE_REFUSED,
    errors.MomentPassedError: kinds.MOMENT_PASSED,
    errors.PhotoCountError: kinds.PHOTO_COUNT,
    errors.PhotosDisagreeError: kinds.PHOTOS_DISAGREE,
    PhotosRefusedError: kinds.PHOTOS_REFUSED,
    ClipRefusedError: kinds.VIDEO_REFUSED,
    errors.NothingToCompareError: kinds.NOTHING_TO_COMPARE,
    errors.TooManyLooksError: kinds.TOO_MANY_LOOKS,
    PhotosTooLargeError: kinds.PHOTOS_TOO_LARGE,
    errors.TooManyPeopleError: kinds.TOO_MANY_PEOPLE,
    errors.BusyError: kinds.BUSY,
    errors.NotToldError: kinds.NOT_TOLD,
    errors.StoreAwayError: kinds.STORE_AWAY,
    errors.VaultForeignError: kinds.VAULT_FOREIGN,
    errors.ModelsBrokenError: kinds.MODELS_BROKEN,
}
"""What the domain refuses, as HTTP tells it."""


class ProblemError(Exception):
    """An answer that is not the one asked for, where HTTP itself is why: who asks, and in which form.

    Args:
        kind: of which kind it is.
        detail: a plain sentence for the user.
        more: further members of the problem.
        headers: of the answer.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers = kind, detail, headers


def responses(*told: Kind) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of these kinds of problems, by status."""
    by_status = groupby(sorted(told, key=lambda kind: kind.status), lambda kind: kind.status)
    return {int(status): _response(status, list(same)) for status, same in by_status}


def _response(status: HTTPStatus, told: list[Kind]) -> dict[str, Any]:
    return {
        "model": Problem,
        "description": f"{status.phrase}: {', '.join(f'`{kind.uri}`' for kind in told)}",
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind.slug: {"summary": kind.title, "value": kind.example} for kind in told},
            }
        },
    }


def document(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return the document without what the framework adds: that problems come as plain JSON too."""
    for path in openapi["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                if CONTENT_TYPE in answer.get("content", {}):
                    answer["content"].pop("application/json", None)
    return openapi


def kind_of(exc: errors.DomainError) -> Kind:
    """Return the kind of problem that an error of the domain becomes."""
    return next(KIND_OF[kind] for kind in type(exc).__mro__ if kind in KIND_OF)


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem, and say so in its OpenAPI document."""
    made = app.openapi
    app.openapi = lambda: document(made())  # type: ignore[method-assign]

    @app.exception_handler(ProblemError)
    async def own(_: Request, exc: ProblemError) -> JSONResponse:
        return _answer(exc.kind, exc.detail, headers=exc.headers)

    @app.exception_handler(errors.DomainError)
    async def domain(_: Request, exc: errors.DomainError) -> JSONResponse:
        return _answer(kind_of(exc), str(exc), _verdicts(exc))

    @app.exception_handler(HTTPException)
    async def framework(_: Request, exc: HTTPException) -> JSONResponse:
        return _answer(kinds.of_status(exc.status_code), str(exc.detail), headers=exc.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
        # Values are left out: they may be secrets, and the sender knows them.
        wrong = [
            {"field": _text(".".join(map(str, e["loc"]))), "message": _text(e["msg"].removeprefix("Value error, "))}
            for e in exc.errors()
        ]
        first = f"{wrong[0]['field']}: {wrong[0]['message']}" if wrong else "the request is not valid"
        return _answer(kinds.NOT_VALID, first, {"errors": wrong})

    @app.exception_handler(StorageError)
    async def storage(_: Request, exc: StorageError) -> JSONResponse:
        _LOG.error("storage_failed", error=str(exc))
        return _answer(kinds.DATABASE_AWAY, "the database does not answer; try again")

    app.add_middleware(_Bugs)


def _verdicts(exc: errors.DomainError) -> dict[str, Any]:
    if isinstance(exc, PhotosRefusedError):
        return {"photos": judged_out(exc.judged)}
    if isinstance(exc, ClipRefusedError):
        return {"videos": [clip_out(exc.judged).model_dump()], "photos": judged_out(exc.photos)}
    return {}


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
            _LOG.error("bug", exception=type(exc).__name__, places=_places(exc))
            if started or scope["type"] != "http":
                raise
            await _answer(kinds.OUR_MISTAKE, "this is our mistake; it has been logged")(scope, receive, send)


def _places(exc: BaseException) -> list[str]:
    """Return where it was raised, innermost first."""
    frames = reversed(extract_tb(exc.__traceback__)[-6:])
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _text(text: str) -> str:
    """Return what fits into an answer: names of members are the sender's, and JSON allows half characters in them."""
    return text[:200].encode("utf-8", "replace").decode()


def _answer(
    kind: Kind, detail: str, more: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    body = {"type": kind.uri, "title": kind.title, "status": int(kind.status), "detail": detail, **(more or {})}
    extra = dict(headers or {})
    if kind.retry_after_s is not None:
        extra["Retry-After"] = str(kind.retry_after_s)
    if kind.status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, kind.status, extra, CONTENT_TYPE)
