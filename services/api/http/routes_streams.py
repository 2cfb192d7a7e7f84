"""Streams: create, list, delete, new key, policy, panic."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Response
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.database.storage import Mark, NewStream, RevisionConflictError, Stream
from mosaicast.contracts.messages import Policy, Source, Zone
from services.api.deps import Deps, found, must_be_told
from services.api.errors import ChangedMeanwhileError, NoSuchStreamError, SourceRefusedError
from services.api.http import paging
from services.api.http.depends import D, require_admin
from services.api.http.kinds import CHANGED_MEANWHILE, NO_SUCH_STREAM, NOT_TOLD, SOURCE_REFUSED, TOO_LARGE
from services.api.http.problems import COMMON, responses
from services.api.http.schemas_streams import (
    PolicyBody,
    PolicyPatch,
    SourceIn,
    StreamCreated,
    StreamIn,
    StreamList,
    StreamOut,
)
from services.api.secrets import digest, new_id, new_secret

router = APIRouter(
    prefix="/v1/streams", tags=["streams"], dependencies=[Depends(require_admin)], responses=responses(*COMMON)
)
_OF_ONE = responses(*COMMON, NO_SUCH_STREAM)
_CHANGES = responses(*COMMON, NO_SUCH_STREAM, NOT_TOLD)
_TAG = re.compile(r"[0-9]{1,18}", re.ASCII)
_ETAG: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "The stream's revision.", "schema": {"type": "string"}}}}
}


@router.post("", status_code=201, responses=responses(*COMMON, SOURCE_REFUSED, TOO_LARGE), operation_id="create_stream")
def create_stream(body: StreamIn, deps: D) -> StreamCreated:
    """Create a stream. The answer shows its key, this once."""
    key = new_secret()
    new = NewStream(
        stream_id=new_id(),
        owner_id=body.owner,
        name=body.name,
        key_sha256=digest(key),
        source=_source(body.source, deps.media_dir),
        created_ms=deps.wall_ms(),
    )
    stream = deps.storage.create_stream(new)
    deps.outbox.tell_stream(stream.stream_id, 0)  # not waited for: nobody may publish yet, and the key is shown once
    return StreamCreated(**_out(stream, deps).model_dump(), stream_key=key)


@router.get("", operation_id="list_streams")
def list_streams(deps: D, limit: paging.Limit = None, cursor: paging.Cursor = None) -> StreamList:
    """List the streams, oldest first."""
    found = deps.storage.streams(paging.read(cursor), paging.one_more(limit))
    streams, next_cursor = paging.cut(found, limit, lambda stream: Mark(stream.created_ms, stream.stream_id))
    return StreamList(streams=[_out(stream, deps) for stream in streams], next_cursor=next_cursor)


@router.get("/{stream_id}", responses=_OF_ONE, operation_id="get_stream")
def get_stream(stream_id: str, deps: D) -> StreamOut:
    """Show one stream."""
    return _out(deps.stream(stream_id), deps)


@router.delete("/{stream_id}", status_code=204, responses=_CHANGES, operation_id="delete_stream")
async def delete_stream(stream_id: str, deps: D) -> None:
    """Delete a stream; whoever publishes on it is cut off.

    503: it is deleted, but the other parts do not know yet; asking again tells when they do.
    """
    deleted = await run_in_threadpool(deps.storage.delete_stream, stream_id)
    if not deleted and not await run_in_threadpool(deps.outbox.waits, stream_id):
        raise NoSuchStreamError(stream_id)
    deps.board.forget(stream_id)
    must_be_told(await _told_and_cut_off(deps, stream_id))


@router.post("/{stream_id}/key", responses=_CHANGES, operation_id="rotate_stream_key")
async def rotate_key(stream_id: str, deps: D) -> StreamCreated:
    """Make a new key. The old one is refused from now on, and its publisher is cut off.

    503: the old key is refused, but the other parts do not know yet that its publication ended; ask for a key again.
    """
    key = new_secret()
    stream = found(await run_in_threadpool(deps.storage.set_key, stream_id, digest(key)), stream_id)
    must_be_told(await _told_and_cut_off(deps, stream_id))
    return StreamCreated(**_out(stream, deps).model_dump(), stream_key=key)


@router.get("/{stream_id}/policy", responses=_ETAG | _OF_ONE, operation_id="get_policy")
def get_policy(stream_id: str, deps: D, response: Response) -> PolicyBody:
    """Show how a stream is masked and encoded. `ETag` is the stream's revision."""
    return _policy_out(deps.stream(stream_id), response)


@router.patch(
    "/{stream_id}/policy",
    responses=_ETAG | responses(*COMMON, NO_SUCH_STREAM, CHANGED_MEANWHILE, TOO_LARGE, NOT_TOLD),
    operation_id="change_policy",
)
def change_policy(
    stream_id: str, body: PolicyPatch, deps: D, response: Response, if_match: Annotated[str | None, Header()] = None
) -> PolicyBody:
    """Change how a stream is masked and encoded; at once, also while it is live.

    With `If-Match` (the `ETag` of an answer) only if the stream was not changed since; else 412. Without it, members
    that are not sent stay as they are at that moment. `zones` is a member: whoever adds one to the list that was read
    sends `If-Match`, so that nobody else's zone is lost.
    """
    changes = body.model_dump(exclude_none=True)
    if body.zones is not None:
        changes["zones"] = tuple(Zone(**zone.model_dump()) for zone in body.zones)

    def merged(old: Policy) -> Policy:
        return msgspec.convert(msgspec.to_builtins(msgspec.structs.replace(old, **changes)), Policy)

    deps.stream(stream_id)  # 404 comes before 412
    try:
        stream = found(deps.storage.change_policy(stream_id, merged, _revision(if_match)), stream_id)
    except RevisionConflictError as exc:
        raise ChangedMeanwhileError from exc
    must_be_told(deps.outbox.tell_stream(stream_id))
    return _policy_out(stream, response)


@router.post("/{stream_id}/panic", status_code=204, responses=_CHANGES, operation_id="set_panic")
def panic(stream_id: str, deps: D) -> None:
    """Mosaic the whole picture until released."""
    _set_panic(deps, stream_id, True)


@router.delete("/{stream_id}/panic", status_code=204, responses=_CHANGES, operation_id="release_panic")
def release_panic(stream_id: str, deps: D) -> None:
    """End the full mosaic."""
    _set_panic(deps, stream_id, False)


def _set_panic(deps: Deps, stream_id: str, panic: bool) -> None:
    found(deps.storage.set_panic(stream_id, panic), stream_id)
    must_be_told(deps.outbox.tell_stream(stream_id))


async def _told_and_cut_off(deps: Deps, stream_id: str) -> bool:
    told = run_in_threadpool(deps.outbox.tell_stream, stream_id)
    return (await asyncio.gather(told, deps.edge.drop_publisher(stream_id)))[0]


def _revision(if_match: str | None) -> int | None:
    """Return the revision that the sender knows; None: any.

    Raises:
        ChangedMeanwhileError: it is no revision of ours.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')  # a proxy that compresses answers makes the tag a weak one
    if not _TAG.fullmatch(tag):
        raise ChangedMeanwhileError
    return int(tag)


def _source(source: SourceIn, media_dir: Path | None) -> Source:
    if source.kind == "push":
        return Source()
    if media_dir is None:
        raise SourceRefusedError("the operator allows no files as sources (MOSAICAST_MEDIA_DIR is not set)")
    if not source.path:
        raise SourceRefusedError("a source of the kind `file` needs a `path` below the operator's media folder")
    root = media_dir.resolve()
    try:
        path = (root / source.path).resolve()
        good = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a zero byte, a circle of links
        good = False
    if not good:
        raise SourceRefusedError("there is no such file below the operator's media folder")
    return Source(kind="file", path=str(path.relative_to(root)))


def _out(stream: Stream, deps: Deps) -> StreamOut:
    rtmp_url, hls_url = deps.addresses.masked(stream.stream_id)
    return StreamOut(
        stream_id=stream.stream_id,
        owner=stream.owner_id,
        name=stream.name,
        publish_url=f"{deps.addresses.rtmp_url}/live",
        rtmp_url=rtmp_url,
        hls_url=hls_url,
        watch_url=deps.addresses.watch(stream.stream_id),
        publishing=stream.publication is not None,
        panic=stream.panic,
        policy=_policy(stream.policy),
    )


def _policy_out(stream: Stream, response: Response) -> PolicyBody:
    response.headers["ETag"] = f'"{stream.revision}"'
    return _policy(stream.policy)


def _policy(policy: Policy) -> PolicyBody:
    return PolicyBody.model_validate(msgspec.to_builtins(policy))
