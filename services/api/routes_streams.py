"""Streams: create, list, delete, new key, policy, panic."""

from pathlib import Path
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.storage import NewStream, Stream
from mosaicast.contracts.messages import Policy, Source, Zone
from services.api.deps import Deps, deps_of, digest, found, new_secret, no_stream, require_admin
from services.api.problems import ProblemError, responses
from services.api.schemas import PolicyBody, PolicyPatch, SourceIn, StreamCreated, StreamIn, StreamList, StreamOut

router = APIRouter(
    prefix="/v1/streams", tags=["streams"], dependencies=[Depends(require_admin)], responses=responses(401, 422, 503)
)
D = Annotated[Deps, Depends(deps_of)]


@router.post("", status_code=201, responses=responses(413))
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
    deps.announce(stream)
    return StreamCreated(**_out(stream, deps).model_dump(), stream_key=key)


@router.get("")
def list_streams(deps: D) -> StreamList:
    """List all streams."""
    return StreamList(streams=[_out(stream, deps) for stream in deps.storage.streams()])


@router.get("/{stream_id}", responses=responses(404))
def get_stream(stream_id: str, deps: D) -> StreamOut:
    """Show one stream."""
    return _out(deps.stream(stream_id), deps)


@router.delete("/{stream_id}", status_code=204, responses=responses(404))
async def delete_stream(stream_id: str, deps: D) -> None:
    """Delete a stream; whoever publishes on it is cut off."""
    if not await run_in_threadpool(deps.storage.delete_stream, stream_id):
        raise no_stream(stream_id)
    deps.gone.add(stream_id)
    deps.announce_gone(stream_id)
    await deps.edge.drop_publisher(stream_id)


@router.post("/{stream_id}/key", responses=responses(404))
async def rotate_key(stream_id: str, deps: D) -> StreamCreated:
    """Make a new key. The old one is refused from now on, and its publisher is cut off."""
    key = new_secret()
    stream = found(await run_in_threadpool(deps.storage.set_key, stream_id, digest(key)), stream_id)
    deps.announce(stream)
    await deps.edge.drop_publisher(stream_id)
    return StreamCreated(**_out(stream, deps).model_dump(), stream_key=key)


@router.get("/{stream_id}/policy", responses=responses(404))
def get_policy(stream_id: str, deps: D) -> PolicyBody:
    """Show how a stream is masked and encoded."""
    return _policy(deps.stream(stream_id).policy)


@router.patch("/{stream_id}/policy", responses=responses(404, 413))
def change_policy(stream_id: str, body: PolicyPatch, deps: D) -> PolicyBody:
    """Change how a stream is masked and encoded; at once, also while it is live."""
    old = deps.stream(stream_id).policy
    changes = body.model_dump(exclude_none=True)
    if body.zones is not None:
        changes["zones"] = tuple(Zone(**zone.model_dump()) for zone in body.zones)
    policy = msgspec.convert(msgspec.to_builtins(msgspec.structs.replace(old, **changes)), Policy)
    stream = found(deps.storage.set_policy(stream_id, policy), stream_id)
    deps.announce(stream)
    return _policy(stream.policy)


@router.post("/{stream_id}/panic", status_code=204, responses=responses(404))
def panic(stream_id: str, deps: D) -> None:
    """Mosaic the whole picture until released."""
    _set_panic(deps, stream_id, True)


@router.delete("/{stream_id}/panic", status_code=204, responses=responses(404))
def release_panic(stream_id: str, deps: D) -> None:
    """End the full mosaic."""
    _set_panic(deps, stream_id, False)


def new_id() -> str:
    """Return an id for a stream or a person; it begins with a letter, so that no tool takes it for an option."""
    return f"s{new_secret().replace('_', 'x').replace('-', 'y')[:15]}"


def _set_panic(deps: Deps, stream_id: str, panic: bool) -> None:
    if not deps.announce(found(deps.storage.set_panic(stream_id, panic), stream_id)):
        # Whoever presses this button must not believe that it worked.
        raise ProblemError(503, "it is noted, but the other parts could not be told; try again")


def _source(source: SourceIn, media_dir: Path | None) -> Source:
    if source.kind == "push":
        return Source()
    if media_dir is None:
        raise ProblemError(422, "the operator allows no files as sources (MOSAICAST_MEDIA_DIR is not set)")
    if not source.path:
        raise ProblemError(422, "a source of the kind `file` needs a `path` below the operator's media folder")
    root = media_dir.resolve()
    try:
        path = (root / source.path).resolve()
        good = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a zero byte, a circle of links
        good = False
    if not good:
        raise ProblemError(422, "there is no such file below the operator's media folder")
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
        publishing=stream.publication is not None,
        panic=stream.panic,
        policy=_policy(stream.policy),
    )


def _policy(policy: Policy) -> PolicyBody:
    return PolicyBody.model_validate(msgspec.to_builtins(policy))
