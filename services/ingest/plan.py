"""What a stream's desired state asks ingest to read."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mosaicast.contracts.messages import StreamSpec
from mosaicast.contracts.situations import files
from mosaicast.core.allowed import Allowed


@dataclass(frozen=True, slots=True)
class Reading:
    """One source to be read."""

    identity: str
    """Another one means: begin anew, and forget earlier failures."""
    url: str
    live: bool
    allowed: Allowed


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stream's source is not read."""

    identity: str
    text: str


class Planner:
    """Turns specs into readings.

    Args:
        rtmp_url: the edge, e.g. rtmp://127.0.0.1:1935.
        token: shown to the edge to play raw pictures.
        media_dir: files below it may be read; None: no file may.
        live: what a live source may be.
        file: what a file may be.
    """

    def __init__(
        self,
        rtmp_url: str,
        token: str,
        media_dir: Path | None,
        live: Allowed | None = None,
        file: Allowed | None = None,
    ) -> None:
        self._live, self._file_kinds = live or Allowed.live(), file or Allowed.file()
        self._rtmp_url = rtmp_url.rstrip("/")
        self._token = token
        self._media_dir = None if media_dir is None else media_dir.resolve()

    def plan(self, spec: StreamSpec) -> Reading | Refusal | None:
        """Return what to read for `spec`, why not, or None while nobody publishes."""
        publication = "" if spec.publication is None else spec.publication.publication_id
        if spec.source.kind == "file":
            return self._file(publication, spec.source.path)
        if not publication:
            return None
        url = f"{self._rtmp_url}/live/{spec.stream_id}?token={quote(self._token, safe='')}"
        return Reading(publication, url, live=True, allowed=self._live)

    def _file(self, publication: str, path: str | None) -> Reading | Refusal:
        identity = f"{publication}:{path}"
        if not path:
            return Refusal(identity, files.NOT_NAMED.says())
        if self._media_dir is None:
            return Refusal(identity, files.NO_MEDIA_FOLDER.says())
        if "\0" in path:
            return Refusal(identity, files.NAME_WRONG.says())
        full = (self._media_dir / path.lstrip("/")).resolve()
        if not full.is_relative_to(self._media_dir):
            return Refusal(identity, files.OUTSIDE.says())
        return Reading(identity, str(full), live=False, allowed=self._file_kinds)
