"""What the edge asks: who may publish, who may play. The edge proves itself with a token in the hook's address.

nginx-rtmp sends a form: `app`, `name` (the stream key, also at `publish_done`), `clientid` (the connection's number)
and the arguments of the client's own address, among them our services' `token`.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.storage import Stream
from mosaicast.contracts.messages import Publication
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps, deps_of, digest, same
from services.api.problems import ProblemError

router = APIRouter(prefix="/hooks/edge", include_in_schema=False)
D = Annotated[Deps, Depends(deps_of)]
_LOG = get_logger(__name__)


def require_edge(deps: D, token: Annotated[str, Query()] = "") -> None:
    """Let pass only the edge.

    Raises:
        ProblemError: 403.
    """
    if not same(token, deps.edge_token):
        raise ProblemError(403, "only the edge may call its hooks")


router.dependencies.append(Depends(require_edge))


@router.post("/publish")
async def publish(request: Request, deps: D) -> Response:
    """Admit a publisher: of a raw stream by its key, of a masked stream only the compositor."""
    form = await _form(request)
    name, client = form.get("name", ""), form.get("clientid", "")
    if form.get("app") == "masked":
        known = await run_in_threadpool(deps.storage.stream, name)
        if known is None or not same(form.get("token", ""), deps.edge_token):
            raise ProblemError(403, "only the compositor publishes here")
        return Response(status_code=204)
    stream = await run_in_threadpool(deps.storage.stream_by_key, digest(name))
    if form.get("app") != "live" or stream is None:
        raise ProblemError(403, "this stream key is not known")
    if stream.publication is not None and await _still_publishes(deps, stream):
        raise ProblemError(403, "somebody publishes on this stream already")
    started_ms = deps.wall_ms()
    publication = Publication(publication_id=f"{started_ms}-{client or 0}", started_ms=started_ms)
    published = await run_in_threadpool(deps.storage.set_publication, stream.stream_id, publication, client)
    if published is None:
        raise ProblemError(403, "this stream was deleted")
    deps.readers.expect(stream.stream_id)
    deps.announce(published)
    heard = await deps.readers.wait(stream.stream_id)
    _LOG.info("publisher_came", stream=stream.stream_id, ingest_listens=heard)
    # The edge takes a bare name as the stream's new name: from here on nobody sees the key.
    return Response(status_code=302, headers={"Location": stream.stream_id})


@router.post("/publish_done")
async def publish_done(request: Request, deps: D) -> Response:
    """Note that a publisher has gone; the end of one that was refused changes nothing."""
    form = await _form(request)
    name, client = form.get("name", ""), form.get("clientid", "")
    if form.get("app") == "live":
        stream = await run_in_threadpool(lambda: deps.storage.stream_by_key(digest(name)) or deps.storage.stream(name))
        ended = await run_in_threadpool(deps.storage.end_publication, stream.stream_id, client) if stream else None
        if ended is not None:
            deps.announce(ended)
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
    raise ProblemError(403, "raw pictures are not for viewers")


async def _form(request: Request) -> dict[str, str]:
    return {key: value for key, value in (await request.form()).items() if isinstance(value, str)}


async def _still_publishes(deps: Deps, stream: Stream) -> bool:
    """Whether the publisher on record is alive. An edge that was killed never told of its end."""
    publishers = await deps.edge.publishers()
    return publishers is None or stream.stream_id in publishers
