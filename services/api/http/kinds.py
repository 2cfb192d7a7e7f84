"""The kinds of problems: each has a type that programs compare, a status, and a page that says what to do."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

FOLDER = "/problems"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem (RFC 9457). Its slug never changes: programs compare it."""

    slug: str
    status: HTTPStatus
    title: str
    meaning: str
    """What happened."""
    remedy: str
    """What the asker can do."""
    retry_after_s: int | None = None
    """When asking again makes sense; None: unknown, or never."""

    @property
    def uri(self) -> str:
        """The problem's `type`: a path of the api, where its page is."""
        return f"{FOLDER}/{self.slug}"

    @property
    def example(self) -> dict[str, Any]:
        """A problem of this kind."""
        return {"type": self.uri, "title": self.title, "status": int(self.status), "detail": self.meaning}


TOKEN_WANTED = Kind(
    "token-wanted",
    HTTPStatus.UNAUTHORIZED,
    "The administrator's token is wanted",
    "The request has no token, or another one than this installation's.",
    "Send `Authorization: Bearer TOKEN` with the token that was printed at the first start. `mosaicast token reset` "
    "makes a new one if it is lost.",
)
REFUSED = Kind(
    "refused",
    HTTPStatus.FORBIDDEN,
    "The edge's question is answered with no",
    "Only the edge asks here: who may publish, who may play. It is told to turn this client away.",
    "The `detail` says why: a key that is not known, a stream that somebody publishes already, raw pictures.",
)
NO_SUCH_ADDRESS = Kind(
    "no-such-address",
    HTTPStatus.NOT_FOUND,
    "There is nothing at this address",
    "The path is none of the api's.",
    "Compare it with `/docs`.",
)
NO_SUCH_STREAM = Kind(
    "no-such-stream",
    HTTPStatus.NOT_FOUND,
    "There is no such stream",
    "No stream has this id, or it was deleted.",
    "`GET /v1/streams` lists those that are there.",
)
NO_SUCH_PERSON = Kind(
    "no-such-person",
    HTTPStatus.NOT_FOUND,
    "There is no such person",
    "Nobody with this id is enrolled, or the person was erased.",
    "`GET /v1/people` lists those who are.",
)
NO_SUCH_PHOTO = Kind(
    "no-such-photo",
    HTTPStatus.NOT_FOUND,
    "There is no such photo",
    "No photo with this id is kept of the person. Only good photos are kept.",
    "`GET /v1/people/{person_id}` says which are.",
)
NOTHING_SAID = Kind(
    "nothing-said",
    HTTPStatus.NOT_FOUND,
    "Nothing was said about this stream",
    "The person has no consent of its own for this stream that could be taken back.",
    "Nothing is to be done: the person's own consent holds there.",
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This address does not know this method",
    "The address is right, the method is not.",
    "The header `Allow` names those that are.",
)
NOT_READABLE = Kind(
    "not-readable",
    HTTPStatus.BAD_REQUEST,
    "The request can't be read",
    "Its body is broken, or ended before its announced length.",
    "Send it again, whole.",
)
TOO_SLOW = Kind(
    "too-slow",
    HTTPStatus.REQUEST_TIMEOUT,
    "The photos arrive too slowly",
    "An upload may not stall for 15 s, nor fall below 64 kB/s, nor take more than 10 minutes: others wait.",
    "Send smaller photos, or over a faster connection.",
)
BEING_ERASED = Kind(
    "being-erased",
    HTTPStatus.CONFLICT,
    "The person is being erased",
    "An erasure has begun; it can't be stopped, and nothing can be changed any more.",
    "Enroll the person anew when it is done.",
)
CHANGED_MEANWHILE = Kind(
    "changed-meanwhile",
    HTTPStatus.PRECONDITION_FAILED,
    "Somebody else changed the stream",
    "The `If-Match` of the request is not the stream's revision of now. Nothing was changed.",
    "Read the policy again, apply the change to it, and send its `ETag` as `If-Match`.",
)
TOO_LARGE = Kind(
    "too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The request is too large",
    "A body may have 1 MB, an enrollment 520 MB, a video alone 101 MB.",
    "Send less.",
)
PHOTOS_TOO_LARGE = Kind(
    "photos-too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "All photos are too large",
    "A photo may have 20 MB. Nobody was enrolled; `photos` has a verdict for each.",
    "Send smaller ones.",
)
FORM_WANTED = Kind(
    "form-wanted",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "A form is wanted",
    "An enrollment is a form of the type `multipart/form-data`.",
    "Send `name` and `photos` as its parts.",
)
NOT_VALID = Kind(
    "not-valid",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The request is not valid",
    "A member is missing, unknown, or beyond its limits. `errors`, if there, names each: `field`, `message`.",
    "`/docs` describes what is expected.",
)
SOURCE_REFUSED = Kind(
    "source-refused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The file can't be a stream's source",
    "The operator allows no files, or there is no such file below the operator's media folder.",
    "The operator sets `MOSAICAST_MEDIA_DIR`; `path` is relative to it.",
)
OTHER_OWNER = Kind(
    "other-owner",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The stream is another owner's",
    "People are visible on the streams of their own owner only.",
    "Enroll the person for the stream's owner too.",
)
MOMENT_PASSED = Kind(
    "moment-passed",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "That moment has passed",
    "The consent would have run out before the enrollment. Nobody was enrolled.",
    "Send an `expires_at` in the future, or none.",
)
PHOTO_COUNT = Kind(
    "photo-count",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "1 to 20 photos, or a video, are wanted",
    "The form has neither photo nor video, more than 20 photos, or two videos. Nothing was kept.",
    "Send 1 to 20 files named `photos`, or one named `video`, or both; `detail` says which photos to leave out.",
)
PHOTOS_REFUSED = Kind(
    "photos-refused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "No photo can be used",
    "Each photo has a verdict in `photos`, and none is `ok`. Nobody was enrolled, and nothing is kept.",
    "Each verdict's `detail` says what a better photo is like.",
)
PHOTOS_DISAGREE = Kind(
    "photos-disagree",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The photos show several people",
    "No group of photos that agree is the largest. Nobody was enrolled, and nothing is kept.",
    "Send photos of one person only; `detail` says which show whom.",
)
VIDEO_REFUSED = Kind(
    "video-refused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The video can't be used",
    "The verdict on the video is in `videos`, those on photos that came with it in `photos`. Nothing was kept.",
    "The verdict's `detail` says what a better video is like: one person, alone, for five to thirty seconds, who looks "
    "at the camera and then slowly to both sides.",
)
NOTHING_TO_COMPARE = Kind(
    "nothing-to-compare",
    HTTPStatus.CONFLICT,
    "No kept photo of the person can be used",
    "A video is taken for a person only if it agrees with what is kept of that person, and nothing of it can be read.",
    "Enroll the person anew.",
)
TOO_MANY_LOOKS = Kind(
    "too-many-looks",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "So many pictures of one person are not kept",
    "Photos and looks of videos are 40 at most. Nothing was kept.",
    "Delete the person and enroll anew, with the best of them.",
)
TOO_MANY_PEOPLE = Kind(
    "too-many-people",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This owner can't have more people",
    "A stream can be told of so many people and no more.",
    "Erase somebody, or enroll for another owner.",
)
OUR_MISTAKE = Kind(
    "our-mistake",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "This is our mistake",
    "A bug. Its place is in the log of the api, without anything of the request.",
    "Report it, with the lines of the log that have the event `bug`.",
)
NOT_TOLD = Kind(
    "not-told",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "It is noted, but the other parts do not know yet",
    "The change is in the database, and the broker has not acknowledged it within 3 s: it may not have worked yet. It "
    "is sent until it is acknowledged, also after a restart.",
    "Ask again: the answer tells whether it is done.",
    retry_after_s=2,
)
DATABASE_AWAY = Kind(
    "database-away",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The database does not answer",
    "Nothing could be read or written.",
    "Ask again. The operator finds more in the log of the api.",
    retry_after_s=2,
)
STORE_AWAY = Kind(
    "store-away",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The gallery or the photos can't be reached",
    "Templates or photos could not be read or written; the `detail` says what was done so far.",
    "Ask again. The operator finds more in the log of the api.",
)
VAULT_FOREIGN = Kind(
    "vault-foreign",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The photos belong to another database",
    "The photos' folder and the database do not belong together: nothing is written or erased there.",
    "The operator runs `mosaicast doctor`, which says what to do.",
)
MODELS_BROKEN = Kind(
    "models-broken",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The face models do not work",
    "Photos can't be judged. Nobody was enrolled.",
    "The operator finds the reason in the log of the api; `mosaicast models verify` checks the files.",
)
BUSY = Kind(
    "busy",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Others are sending photos",
    "Two enrollments are read at once, and none of them ended within 10 s.",
    "Ask again.",
    retry_after_s=10,
)

KINDS = tuple(kind for kind in list(globals().values()) if isinstance(kind, Kind))
"""All of them, in the order of this page."""


def of_status(status: int) -> Kind:
    """Return the kind for an error of the framework, which has a status only."""
    found = next((kind for kind in _BY_STATUS if kind.status == status), None)
    return found or Kind("other", HTTPStatus(status), HTTPStatus(status).phrase, "", "")


_BY_STATUS = (
    NO_SUCH_ADDRESS,
    METHOD_NOT_ALLOWED,
    NOT_READABLE,
    TOO_LARGE,
    TOKEN_WANTED,
    REFUSED,
    FORM_WANTED,
    NOT_VALID,
)
