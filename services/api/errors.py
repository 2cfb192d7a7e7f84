"""What the api's domain refuses, in its own words. Which answer of HTTP each becomes is in `http.problems`."""


class DomainError(Exception):
    """It was not done; the text is a plain sentence for whoever asked."""


class NoSuchStreamError(DomainError):
    """There is no stream of that id: the asker's mistake, or somebody deleted it."""

    def __init__(self, stream_id: str) -> None:
        super().__init__(f"there is no stream `{stream_id[:64]}`")


class NoSuchPersonError(DomainError):
    """Nobody of that id is enrolled."""

    def __init__(self, person_id: str) -> None:
        super().__init__(f"there is no person `{person_id[:64]}`")


class NoSuchPhotoError(DomainError):
    """No photo of that id is kept of the person."""

    def __init__(self) -> None:
        super().__init__("there is no such photo")


class NothingSaidError(DomainError):
    """A person said nothing about a stream that could be taken back."""

    def __init__(self) -> None:
        super().__init__("nothing was said about this stream")


class BeingErasedError(DomainError):
    """It is too late to change a person."""

    def __init__(self) -> None:
        super().__init__("this person is being erased")


class ForeignStreamError(DomainError):
    """A consent for a stream on which it could never count."""

    def __init__(self) -> None:
        super().__init__("the stream is another owner's: nobody of this one is ever visible on it")


class ChangedMeanwhileError(DomainError):
    """Somebody else changed the stream since the asker read it."""

    def __init__(self) -> None:
        super().__init__("the stream was changed since; read the policy again, and send its ETag as If-Match")


class SourceRefusedError(DomainError):
    """The file can't be a stream's source."""


class MomentPassedError(DomainError):
    """A consent would have run out before it began."""

    def __init__(self) -> None:
        super().__init__("expires_at: that moment has passed")


class PhotoCountError(DomainError):
    """Too few photos, or too many."""


class PhotosDisagreeError(DomainError):
    """The photos show several people, and no majority one of them: the sender's fault."""


class NothingToCompareError(DomainError):
    """A video can't be held against what is kept of a person: nothing of it can be used."""

    def __init__(self) -> None:
        super().__init__("no kept photo of this person can be used; enroll the person anew")


class TooManyLooksError(DomainError):
    """So many pictures of one person are not kept."""

    def __init__(self, kept: int, most: int) -> None:
        super().__init__(f"{kept} pictures of this person are kept, and {most} are the most")


class TooManyPeopleError(DomainError):
    """An owner has as many people as a stream can be told of."""

    def __init__(self, most: int) -> None:
        super().__init__(f"this owner has {most} people, and can't have more")


class BusyError(DomainError):
    """Others are being served; later there is room."""


class NotToldError(DomainError):
    """It is noted, but the broker has not acknowledged it: whoever pressed a button must hear that."""

    def __init__(self) -> None:
        super().__init__(
            "it is noted, but the other parts could not be told yet; it is tried until it is done, and asking again "
            "tells whether it is"
        )


class StoreAwayError(DomainError):
    """The gallery or the photos fail: ours, or the operator's to mend."""


class VaultForeignError(StoreAwayError):
    """The photos belong to another database: the operator's to mend."""


class ModelsBrokenError(DomainError):
    """The face models do not work: the operator's to mend."""

    def __init__(self) -> None:
        super().__init__("the face models do not work; the operator finds more in the log")
