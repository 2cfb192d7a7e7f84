"""What the edge asks: who may publish, who may play. The edge proves itself with a token in the hook's address.

nginx-rtmp sends a form: `app`, `name` (the stream key, also at `publish_done`), `addr` (the client's), `clientid` (the
connection's number) and, behind its own fields and under no other names, the arguments of the client's own address,
among them our services' `token`. A client that names one of the edge's fields there (`?app=masked`) is refused: else it
would choose what it is.
"""

from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.database.storage import StorageError, Stream
from mosaicast.contracts.messages import Publication
from mosaicast.runtime.logs import get_logger
from services.api import refusals
from services.api.deps import Deps
from services.api.http.depends import D
from services.api.http.kinds import REFUSED
from services.api.http.problems import ProblemError
from services.api.refusals import Why
from services.api.secrets import digest, same

router = APIRouter(prefix="/hooks/edge", include_in_schema=False)
_APPLICATIONS = frozenset({"live", "masked"})
"""Those of deploy/edge/nginx.conf.template."""
_EDGE_FIELDS = ("app", "name", "addr", "clientid")
_LOG = get_logger(__name__)


def require_edge(deps: D, token: Annotated[str, Query()] = "") -> None:
    """Let pass only the edge.

    Raises:
        ProblemError: it is somebody else.
    """
    if not same(token, deps.edge_token):
        raise ProblemError(REFUSED, "only the edge may call its hooks")


router.dependencies.append(Depends(require_edge))


@router.post("/connect")
async def connect(request: Request, deps: D) -> Response:
    """Let a client in that names one of our applications; what it does there the other hooks decide.

    A pasted address brings spaces along: the edge is told what was meant.
    """
    fields = await _fields(request)
    form = _of_the_edge(fields)
    if _set_twice(fields):
        raise _refused(deps, form, refusals.OWN_FIELDS)
    named = form.get("app", "")
    meant = named.strip(" \t\r\n/")
    if meant not in _APPLICATIONS:
        # A key at the end of the server's address is a common mistake; it says whose stream was meant.
        stream = await run_in_threadpool(deps.storage.stream_by_key, _hashed(meant.rpartition("/")[2]))
        raise _refused(deps, form, refusals.WRONG_ADDRESS, stream)
    return Response(status_code=204) if meant == named else Response(status_code=302, headers={"Location": meant})


@router.post("/publish")
async def publish(request: Request, deps: D) -> Response:
    """Admit a publisher: of a raw stream by its key, of a masked stream only the compositor."""
    fields = await _fields(request)
    form = _of_the_edge(fields)
    if _set_twice(fields):
        raise _refused(deps, form, refusals.OWN_FIELDS)
    try:
        if form.get("app") == "masked":
            return await _publish_masked(deps, form)
        return await _publish_raw(deps, form)
    except StorageError:
        _refused(deps, form, refusals.NO_DATABASE)
        raise


async def _publish_masked(deps: Deps, form: dict[str, str]) -> Response:
    name = form.get("name", "")
    known = await run_in_threadpool(deps.storage.stream, name)
    if known is not None and same(form.get("token", ""), deps.edge_token):
        return Response(status_code=204)
    meant = known or await run_in_threadpool(deps.storage.stream_by_key, _hashed(name))
    raise _refused(deps, form, refusals.MASKED, meant)


async def _publish_raw(deps: Deps, form: dict[str, str]) -> Response:
    key_sha256 = _hashed(form.get("name", ""))
    stream = await run_in_threadpool(deps.storage.stream_by_key, key_sha256)
    if form.get("app") != "live" or stream is None:
        raise await _not_known(deps, form)
    if stream.source.kind != "push":
        raise _refused(deps, form, refusals.READS_A_FILE, stream)
    if stream.publication is not None and await _still_publishes(deps, stream):
        raise _refused(deps, form, refusals.IN_USE, stream)
    await _begin(deps, stream, key_sha256, form)
    # The edge takes a bare name as the stream's new name: from here on nobody sees the key.
    return Response(status_code=302, headers={"Location": stream.stream_id})


def _hashed(key: str) -> str:
    """Return the hash of a stream key. Pasted ones bring spaces and ends of lines along; no key of ours has any."""
    return digest(key.strip())


async def _not_known(deps: Deps, form: dict[str, str]) -> ProblemError:
    name = form.get("name", "").strip()
    if not name:
        return _refused(deps, form, refusals.NO_KEY)
    named = await run_in_threadpool(deps.storage.stream, name)
    return _refused(deps, form, refusals.UNKNOWN_KEY if named is None else refusals.ID_FOR_KEY, named)


def _refused(deps: Deps, form: dict[str, str], why: Why, stream: Stream | None = None) -> ProblemError:
    """Return the edge's answer for a publisher that is refused, and tell log and status of it.

    Args:
        deps: where it is told.
        form: what the edge says of the publisher.
        why: the reason.
        stream: the one that it tried, as far as that is known.
    """
    stream_id, address = None if stream is None else stream.stream_id, _address(form)
    times = deps.board.refusals.note(stream_id, why, address, deps.monotonic_s(), deps.wall_ms())
    if times:
        _LOG.warning("publisher_refused", address=address, reason=why.word, stream=stream_id, times=times)
    return ProblemError(REFUSED, why.sentence)


def _address(form: dict[str, str]) -> str:
    try:
        return str(ip_address(form.get("addr", "")))
    except ValueError:
        return "unknown"


async def _begin(deps: Deps, stream: Stream, key_sha256: str, form: dict[str, str]) -> None:
    """Note the publication, tell the others, and give ingest time to listen."""
    started_ms, client = deps.wall_ms(), form.get("clientid", "")
    publication = Publication(publication_id=f"{started_ms}-{client or 0}", started_ms=started_ms)
    published = await run_in_threadpool(deps.storage.set_publication, stream, publication, client, key_sha256)
    if published is None:
        raise _refused(deps, form, refusals.IN_USE, stream)
    deps.readers.expect(stream.stream_id)
    await run_in_threadpool(deps.outbox.tell_stream, stream.stream_id, 0)
    heard = await deps.readers.wait(stream.stream_id)
    now = await run_in_threadpool(deps.storage.stream, stream.stream_id)
    if now is None or now.publication != publication:
        # While it waited the key was changed or the stream deleted, and there was nobody on the edge yet to cut off.
        raise _refused(deps, form, refusals.KEY_CHANGED, now)
    _LOG.info("publisher_came", stream=stream.stream_id, ingest_listens=heard)


@router.post("/publish_done")
async def publish_done(request: Request, deps: D) -> Response:
    """Note that a publisher has gone; the end of one that was refused changes nothing."""
    form = await _form(request)
    name, client = form.get("name", ""), form.get("clientid", "")
    if form.get("app") == "live":
        stream = await run_in_threadpool(lambda: deps.storage.stream_by_key(_hashed(name)) or deps.storage.stream(name))
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
    """Return what the edge says.

    Raises:
        ProblemError: the client's address sets fields of the edge's own.
    """
    fields = await _fields(request)
    if _set_twice(fields):
        raise ProblemError(REFUSED, refusals.OWN_FIELDS.sentence)
    return _of_the_edge(fields)


async def _fields(request: Request) -> Sequence[tuple[str, str]]:
    return [(name, text) for name, text in (await request.form()).multi_items() if isinstance(text, str)]


def _set_twice(fields: Sequence[tuple[str, str]]) -> bool:
    times = Counter(name for name, _ in fields)
    return any(times[name] > 1 for name in _EDGE_FIELDS)


def _of_the_edge(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the first field of each name: the edge's own come before those of the client's address."""
    return dict(reversed(fields))


async def _still_publishes(deps: Deps, stream: Stream) -> bool:
    """Whether the publisher on record is alive. An edge that was killed never told of its end."""
    if stream.publication is not None and 0 <= deps.wall_ms() - stream.publication.started_ms <= deps.readers.young_ms:
        return True
    publishers = await deps.edge.publishers()
    return publishers is None or stream.stream_id in publishers
