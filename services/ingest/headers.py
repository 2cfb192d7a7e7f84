"""What publishers said once of how to decode their video, kept for the next reader of the same publication.

These are a stranger's bytes: they are only handed to a child, and nothing in here looks into them.
"""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from mosaicast.contracts.messages import CodecParameters, PublicationHeaders, StreamSpec
from mosaicast.core.allowed import SAYS_ITS_HEADER_ONCE
from mosaicast.core.epochs import MOST_STREAMS

LARGEST_TOLD_BYTES = 4096
"""Of one publication, in a report each second; HEVC needs 2,500 at most."""


def publication_of(spec: StreamSpec) -> str:
    """Return the id of the publication that a spec names; empty without one."""
    return "" if spec.publication is None else spec.publication.publication_id


def to_tell(spec: StreamSpec, codecs: Sequence[CodecParameters]) -> PublicationHeaders | UnsetType:
    """Return what a report says of headers: those that no edge would tell a later reader."""
    publication = publication_of(spec)
    once = any(codec.track == "video" and codec.codec in SAYS_ITS_HEADER_ONCE for codec in codecs)
    if not (publication and once) or sum(len(codec.extradata) for codec in codecs) > LARGEST_TOLD_BYTES:
        return UNSET
    return PublicationHeaders(publication_id=publication, codecs=tuple(codecs))


class KnownHeaders:
    """What any instance of ingest reported of each stream. Bounded: of too many streams it forgets the one that was
    reported longest ago."""

    def __init__(self) -> None:
        self._newest: dict[str, PublicationHeaders] = {}

    def note(self, stream_id: str, told: PublicationHeaders | UnsetType) -> None:
        """Take in a report."""
        if isinstance(told, UnsetType):
            return
        self._newest.pop(stream_id, None)
        self._newest[stream_id] = told
        if len(self._newest) > MOST_STREAMS:
            del self._newest[next(iter(self._newest))]

    def of(self, spec: StreamSpec) -> tuple[CodecParameters, ...]:
        """Return what is known of the publication that a spec names."""
        told = self._newest.get(spec.stream_id)
        return told.codecs if told is not None and told.publication_id == publication_of(spec) else ()
