"""What the edge asks: who may publish, who may play. The edge proves itself with a token in the hook's address.

nginx-rtmp sends a form: `app`, `name` (the stream key, also at `publish_done`), `clientid` (the connection's number)
and, behind its own fields and under no other names, the arguments of the client's own address, among them our services'
`token`. A client that names one of the edge's fields there (`?app=masked`) is refused: else it would choose what it is.
"""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.database.storage import Stream
from mosaicast.contracts.messages import Publication
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps
from services.api.http.depends import D
from services.api.http.kinds import REFUSED
from services.api.http.problems import ProblemError
from services.api.secrets import digest, same

router = APIRouter(prefix="/hooks/edge", include_in_schema=False)
_EDGE_FIELDS = ("app", "name", "clientid")
_LOG = get_logger(__name__)


def require_edge(deps: D, token: Annotated[str, Query()] = "") -> None:
    """Let pass only the edge.

    Raises:
        ProblemError: it is somebody else.
    """
    if not same(token, deps.edge_token):
        raise ProblemError(REFUSED, "only the edge may call its hooks")


router.dependencies.append(Depends(require_edge))


@router.post("/publish")
async def publish(request: Request, deps: D) -> Response:
    """Admit a publisher: of a raw stream by its key, of a masked stream only the compositor."""
    form = await _form(request)
    name, client = form.get("name", ""), form.get("clientid", "")
    if form.get("app") == "masked":
        known = await run_in_threadpool(deps.storage.stream, name)
        if known is None or not same(form.get("token", ""), deps.edge_token):
            raise ProblemError(REFUSED, "only the compositor publishes here")
        return Response(status_code=204)
    stream = await run_in_threadpool(deps.storage.stream_by_key, digest(name))
    if form.get("app") != "live" or stream is None:
        raise ProblemError(REFUSED, "this stream key is not known")
    if stream.source.kind != "push":
        raise ProblemError(REFUSED, "this stream reads a file; nobody publishes on it")
    if stream.publication is not None and await _still_publishes(deps, stream):
        raise ProblemError(REFUSED, "somebody publishes on this stream already")
    await _begin(deps, stream, digest(name), client)
    # The edge takes a bare name as the stream's new name: from here on nobody sees the key.
    return Response(status_code=302, headers={"Location": stream.stream_id})


async def _begin(deps: Deps, stream: Stream, key_sha256: str, client: str) -> None:
    """Note the publication, tell the others, and give ingest time to listen."""
    started_ms = deps.wall_ms()
    publication = Publication(publication_id=f"{started_ms}-{client or 0}", started_ms=started_ms)
    published = await run_in_threadpool(deps.storage.set_publication, stream, publication, client, key_sha256)
    if published is None:
        raise ProblemError(REFUSED, "somebody publishes on this stream already, or its key has just changed")
    deps.readers.expect(stream.stream_id)
    await run_in_threadpool(deps.outbox.tell_stream, stream.stream_id, 0)
    heard = await deps.readers.wait(stream.stream_id)
    now = await run_in_threadpool(deps.storage.stream, stream.stream_id)
    if now is None or now.publication != publication:
        # While it waited the key was changed or the stream deleted, and there was nobody on the edge yet to cut off.
        raise ProblemError(REFUSED, "the key has just changed, or the stream was deleted")
    _LOG.info("publisher_came", stream=stream.stream_id, ingest_listens=heard)


@router.post("/publish_done")
async def publish_done(request: Request, deps: D) -> Response:
    """Note that a publisher has gone; the end of one that was refused changes nothing."""
    form = await _form(request)
    name, client = form.get("name", ""), form.get("clientid", "")
    if form.get("app") == "live":
        stream = await run_in_threadpool(lambda: deps.storage.stream_by_key(digest(name)) or deps.storage.stream(name))
        ended = await run_in_threadpool(deps.storage.end_publication, stream.stream_id, client) if stream else None
        if ended is not None:
            await run_in_threadpool(deps.outbox.tell_stream, ended.stream_id, 0)
            _LOG.info("publisher_went", stream=ended.stream_id)
    return Response(status_code=204)


@router.post("/play")
async def play(request: Request, deps: D) -> Response:
    """Admit a player: of masked streams anybody, of raw ones only ingest."""
    form = await _form(request)
    if form.get("app") == "masked":
        return Response(status_code=204)
    if same(form.get("token", ""), deps.edge_token):
        deps.readers.came(form.get("name", ""))
        return Response(status_code=204)
    raise ProblemError(REFUSED, "raw pictures are not for viewers")


async def _form(request: Request) -> dict[str, str]:
    fields = (await request.form()).multi_items()
    times = Counter(key for key, _ in fields)
    if any(times[key] > 1 for key in _EDGE_FIELDS):
        raise ProblemError(REFUSED, "an address may not set the edge's own fields")
    return {key: value for key, value in fields if isinstance(value, str)}


async def _still_publishes(deps: Deps, stream: Stream) -> bool:
    """Whether the publisher on record is alive. An edge that was killed never told of its end."""
    if stream.publication is not None and 0 <= deps.wall_ms() - stream.publication.started_ms <= deps.readers.young_ms:
        return True
    publishers = await deps.edge.publishers()
    return publishers is None or stream.stream_id in publishers
