"""What people say about single streams."""

from fastapi import APIRouter, Depends

from mosaicast.core.consents import StreamConsent
from services.api.deps import must_be_told, no_stream, require_admin
from services.api.http.people_out import consent_out
from services.api.http.problems import ProblemError, responses
from services.api.http.routes_people import D, changeable_person, found_person
from services.api.http.schemas import ConsentIn, ConsentOut, to_ms

router = APIRouter(
    prefix="/v1/people/{person_id}/consents/{stream_id}",
    tags=["people"],
    dependencies=[Depends(require_admin)],
    responses=responses(401, 404, 409, 422, 503),
)


@router.put("")
def set_consent(person_id: str, stream_id: str, deps: D, body: ConsentIn | None = None) -> ConsentOut:
    """Say whether, and until when, a person may be seen on one stream; at once, also while it is live."""
    person, stream, said = changeable_person(deps, person_id), deps.stream(stream_id), body or ConsentIn()
    if stream.owner_id != person.owner_id:
        raise ProblemError(422, "the stream is another owner's: nobody of this one is ever visible on it")
    consent = StreamConsent(said.allowed, to_ms(said.expires_at) if said.expires_at else None)
    if not deps.storage.set_consent(person_id, stream_id, consent):
        raise no_stream(stream_id)  # deleted meanwhile
    must_be_told(deps.teller.tell_owner(person.owner_id))
    return consent_out(found_person(deps, person_id), stream_id, deps.wall_ms())


@router.delete("", status_code=204)
def delete_consent(person_id: str, stream_id: str, deps: D) -> None:
    """Take back what was said about one stream: the person's own consent holds there again."""
    person = changeable_person(deps, person_id)
    if not deps.storage.delete_consent(person_id, stream_id) and not deps.teller.waits(stream_id):
        raise ProblemError(404, "nothing was said about this stream")
    must_be_told(deps.teller.tell_owner(person.owner_id))
