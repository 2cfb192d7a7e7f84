"""What happens now."""

from fastapi import APIRouter, Depends

from mosaicast.adapters.database.storage import Mark
from services.api.http import paging
from services.api.http.depends import D, require_admin
from services.api.http.problems import COMMON, responses
from services.api.http.schemas_status import EdgeStatus, StatusOut, StreamStatus

router = APIRouter(
    prefix="/v1/status", tags=["status"], dependencies=[Depends(require_admin)], responses=responses(*COMMON)
)


@router.get("", operation_id="get_status")
def status(deps: D, limit: paging.Limit = None, cursor: paging.Cursor = None) -> StatusOut:
    """Show the streams as they are now: state, latency, what became of the frames, faces by reason, who is seen.

    And publishers that were refused: of each stream, and at the edge those of whom nobody knows which one they meant.
    """
    now, now_ms = deps.monotonic_s(), deps.wall_ms()
    names = deps.storage.names(deps.board.visible_people())
    found = deps.storage.streams(paging.read(cursor), paging.one_more(limit))
    listed, next_cursor = paging.cut(found, limit, lambda stream: Mark(stream.created_ms, stream.stream_id))
    seen = [deps.board.view(stream, deps.addresses.masked(stream.stream_id), now, names, now_ms) for stream in listed]
    return StatusOut(
        streams=[StreamStatus.model_validate(stream, from_attributes=True) for stream in seen],
        edge=EdgeStatus.model_validate({"refused": deps.board.refusals.of(None, now)}, from_attributes=True),
        problems=[*([] if deps.vault.refuses is None else [deps.vault.refuses]), *deps.board.problems()],
        at_ms=now_ms,
        next_cursor=next_cursor,
    )
