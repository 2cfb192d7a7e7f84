"""What routes depend on: the api's parts, and who asks."""

from typing import Annotated

from fastapi import Depends, Request

from services.api.deps import Deps
from services.api.http.kinds import TOKEN_WANTED
from services.api.http.problems import ProblemError
from services.api.secrets import digest, same


def deps_of(request: Request) -> Deps:
    """Return what the app was built with."""
    deps: Deps = request.app.state.deps
    return deps


D = Annotated[Deps, Depends(deps_of)]


def require_admin(request: Request) -> None:
    """Let pass whoever has the administrator's token.

    Raises:
        ProblemError: the token is missing or another.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip()
    expected = deps_of(request).storage.secret_sha256("admin_token")
    if scheme.lower() != "bearer" or not given or not expected or not same(digest(given), expected):
        raise ProblemError(TOKEN_WANTED, "send `Authorization: Bearer TOKEN` with the administrator's token")
