"""Around every request: how much may be sent, and what is counted."""

import re
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaicast.runtime.metrics import Metrics

LARGEST_BODY_BYTES = 1024 * 1024
"""A policy with 64 zones has 10 kB; bodies are read into memory before the token is looked at."""
LARGEST_UPLOAD_BYTES = 520 * 1024 * 1024
"""Twenty photos of 20 MB, and a video of 100 MB."""
LARGEST_CLIP_UPLOAD_BYTES = 101 * 1024 * 1024
_UPLOADS = "/v1/people"
"""Exactly this: what lies below takes small bodies, which the framework reads before it looks at the token."""
_CLIPS = re.compile(r"/v1/people/[^/]+/looks")
"""And this, which is read part by part too."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class BodyLimit:
    """Ends the reading of a body that is too large with 413, whether its length was declared or not.

    FastAPI's `max_body_size` (0.165) does the same, but puts a plain text in the place of whatever is answered to a
    declared length that is too large: not a problem, and 413 even to whoever has no token, who is told 401 here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        largest = _largest(scope["path"])
        declared, taken = _declared(dict(scope["headers"])), 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive() if declared <= largest else {}
            taken += len(message.get("body", b""))
            if max(declared, taken) > largest:
                raise HTTPException(413, f"the request is larger than {largest // 1024**2} MB")
            return message

        await self._app(scope, receive_some, send)


class RequestCount:
    """Counts requests by route, method and status: never by the address, which may hold ids and mistyped keys."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what the server answers when the app raises before it answers

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.http_requests.labels(route, method, status).inc()


def _largest(path: str) -> int:
    if path == _UPLOADS:
        return LARGEST_UPLOAD_BYTES
    return LARGEST_CLIP_UPLOAD_BYTES if _CLIPS.fullmatch(path) else LARGEST_BODY_BYTES


def _declared(headers: Mapping[bytes, bytes]) -> int:
    length = headers.get(b"content-length", b"")
    return int(length[:20]) if length.isdigit() else 0
