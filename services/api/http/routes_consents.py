"""What people say about single streams."""

from fastapi import APIRouter, Depends

from mosaicast.core.consents import StreamConsent
from services.api.deps import must_be_told
from services.api.errors import ForeignStreamError, NoSuchStreamError, NothingSaidError
from services.api.http.depends import D, require_admin
from services.api.http.kinds import BEING_ERASED, NO_SUCH_PERSON, NO_SUCH_STREAM, NOT_TOLD, NOTHING_SAID, OTHER_OWNER
from services.api.http.people_out import consent_out
from services.api.http.problems import COMMON, responses
from services.api.http.schemas import to_ms
from services.api.http.schemas_people import ConsentIn, ConsentOut
from services.api.people.records import changeable

router = APIRouter(
    prefix="/v1/people/{person_id}/consents/{stream_id}",
    tags=["people"],
    dependencies=[Depends(require_admin)],
)


@router.put(
    "",
    responses=responses(*COMMON, NO_SUCH_PERSON, NO_SUCH_STREAM, BEING_ERASED, OTHER_OWNER, NOT_TOLD),
    operation_id="set_consent",
)
def set_consent(person_id: str, stream_id: str, deps: D, body: ConsentIn | None = None) -> ConsentOut:
    """Say whether, and until when, a person may be seen on one stream; at once, also while it is live."""
    person, stream, said = changeable(deps, person_id), deps.stream(stream_id), body or ConsentIn()
    if stream.owner_id != person.owner_id:
        raise ForeignStreamError
    consent = StreamConsent(said.allowed, to_ms(said.expires_at) if said.expires_at else None)
    if not deps.storage.set_consent(person_id, stream_id, consent):
        raise NoSuchStreamError(stream_id)  # deleted meanwhile
    must_be_told(deps.outbox.tell_owner(person.owner_id))
    return consent_out(deps.person(person_id), stream_id, deps.wall_ms())


@router.delete(
    "",
    status_code=204,
    responses=responses(*COMMON, NO_SUCH_PERSON, NOTHING_SAID, BEING_ERASED, NOT_TOLD),
    operation_id="delete_consent",
)
def delete_consent(person_id: str, stream_id: str, deps: D) -> None:
    """Take back what was said about one stream: the person's own consent holds there again."""
    person = changeable(deps, person_id)
    if not deps.storage.delete_consent(person_id, stream_id) and not deps.outbox.waits(stream_id):
        raise NothingSaidError
    must_be_told(deps.outbox.tell_owner(person.owner_id))
