"""The references of the api, written from its code: `python -m tools.reference` writes them into docs/."""

import json
from typing import Any, cast

from mosaicast.runtime.metrics import Metrics
from services.api.deps import Deps
from services.api.http.app import create_app
from services.api.http.kinds import KINDS, Kind

COMMAND = "python -m tools.reference"


def openapi() -> str:
    """Return the OpenAPI document as text, a member a line."""
    nobody = cast("Any", None)  # a description needs no database, and nothing else
    app = create_app(cast("Deps", nobody), Metrics(), ready=lambda: True)
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


def problems() -> str:
    """Return the page of all kinds of problems."""
    head = (
        "# Problems of the API\n\n"
        f"Written by `{COMMAND}`. Every error is `application/problem+json` (RFC 9457).\n"
        "Programs compare `type`: it never changes. `title` and `detail` are for people.\n"
        "`http://HOST:8000/problems` has these pages too.\n"
    )
    return head + "".join(map(_section, KINDS))


def _section(kind: Kind) -> str:
    again = "" if kind.retry_after_s is None else f" `Retry-After` says {kind.retry_after_s} s."
    status = f"`{kind.uri}`, status {int(kind.status)} {kind.status.phrase}."
    return f"\n## {kind.title}\n\n{status}\n{kind.meaning}\n{kind.remedy}{again}\n"
