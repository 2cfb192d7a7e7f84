"""Downloads of weights: resumed where they broke off, and named only when every byte is right."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential
from tenacity.wait import wait_base

from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.files import digest
from mosaicast.adapters.models.registry import Download, Model, Operator, Package, Placed

ATTEMPTS = 5
_WAIT = wait_exponential(multiplier=0.5, max=8.0)
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""Seconds; 30 for each read, not for the whole: slow lines are no error."""

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes of the whole file."""


class DownloadError(ModelUnavailableError):
    """A file could not be had: no network, a server that refuses, a full disk. The text says what to do."""

    retry = True


class _BrokenOffError(Exception):
    """This attempt ended early; the next one goes on where it ended."""


def pull(
    model: Model,
    folder: Path,
    progress: Progress | None = None,
    *,
    client: httpx.Client | None = None,
    wait: wait_base = _WAIT,
) -> Path:
    """Download a model's file into the models' folder, unless it is there and right, and return its path.

    Args:
        client: for tests; by default one that follows redirections and the proxies of the environment.

    Raises:
        ModelUnavailableError: it is no model to download.
        DownloadError: it cannot be had now; what came so far is kept for the next time.
        ModelBrokenError: what the server sends has another checksum; nothing of it is kept.
    """
    source = model.source
    if not isinstance(source, Download):
        raise ModelUnavailableError(f"{model.name} is not downloaded: {_where_it_comes_from(source)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with client or _client() as http:
            return _Pull(model.name, source, folder, progress or (lambda _done, _all: None), http).run(wait)
    except OSError as exc:
        raise DownloadError(f"{model.name}: {exc.filename or folder} cannot be written: {exc.strerror}") from exc


def _where_it_comes_from(source: Package | Placed | Operator) -> str:
    if isinstance(source, Operator):
        return source.hint
    if isinstance(source, Package):
        return "it comes with a Python package"
    return f"scripts/setup takes it out of the package {source.requirement}"


def _client() -> httpx.Client:
    return httpx.Client(timeout=_TIMEOUT, follow_redirects=True, headers={"Accept-Encoding": "identity"})


class _Pull:
    """One download. `part` grows on disk until it is whole; it alone is written to."""

    def __init__(self, name: str, source: Download, folder: Path, progress: Progress, http: httpx.Client) -> None:
        self._name, self._source, self._progress, self._http = name, source, progress, http
        self._path = folder / source.file
        self._part = folder / f"{source.file}.part"

    def run(self, wait: wait_base) -> Path:
        if self._path.is_file() and digest(self._path) == self._source.sha256:
            self._progress(self._source.size, self._source.size)
            return self._path
        with self._locked() as part:
            again = retry_if_exception_type(_BrokenOffError)
            retrying = Retrying(retry=again, stop=stop_after_attempt(ATTEMPTS), wait=wait, reraise=True)
            try:
                retrying(self._attempt, part)
            except _BrokenOffError as exc:
                raise DownloadError(self._advice(str(exc))) from exc
            os.replace(self._part, self._path)
        return self._path

    @contextlib.contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """Open `part` for this process alone."""
        with self._part.open("ab+") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise DownloadError(f"{self._name} is being downloaded by another process") from exc
            yield part

    def _attempt(self, part: BinaryIO) -> None:
        """Get what is missing, then hold the whole against its checksum."""
        resumed = self._have(part)
        if resumed < self._source.size:
            self._get(part, resumed)
        if self._have(part) != self._source.size:
            raise _BrokenOffError("the server sent only a part of it")
        part.flush()
        os.fsync(part.fileno())
        if digest(self._part) != self._source.sha256:
            part.truncate(0)
            if resumed:  # what lay here from before may have been at fault: once more, from the beginning
                raise _BrokenOffError("what was there from an earlier download does not fit")
            raise self._another_file()

    def _have(self, part: BinaryIO) -> int:
        """Return the bytes that are there; more than the whole file are none."""
        part.seek(0, os.SEEK_END)
        if part.tell() > self._source.size:
            part.truncate(0)
        return part.seek(0, os.SEEK_END)

    def _get(self, part: BinaryIO, have: int) -> None:
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with self._http.stream("GET", self._source.url, headers=headers) as answer:
                self._check(answer, part)
                if answer.status_code == httpx.codes.OK:  # it sends everything, whatever we asked for
                    part.truncate(0)
                self._write(answer, part)
        except httpx.RequestError as exc:
            raise _BrokenOffError(f"{self._http_host()} does not answer ({type(exc).__name__})") from exc

    def _check(self, answer: httpx.Response, part: BinaryIO) -> None:
        status = answer.status_code
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.truncate(0)
            raise _BrokenOffError("the server's file is shorter")
        if answer.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS:
            raise _BrokenOffError(f"{self._http_host()} answers {status}")
        if status == httpx.codes.PARTIAL_CONTENT and _first_byte(answer) != self._have(part):
            part.truncate(0)
            raise _BrokenOffError("the server sent another part than was asked for")
        if status not in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
            raise DownloadError(self._advice(f"{self._http_host()} answers {status}"))

    def _write(self, answer: httpx.Response, part: BinaryIO) -> None:
        have = self._have(part)
        for chunk in answer.iter_bytes():
            have += len(chunk)
            if have > self._source.size:
                raise self._another_file()
            part.write(chunk)
            self._progress(have, self._source.size)
        part.flush()

    def _http_host(self) -> str:
        return httpx.URL(self._source.url).host

    def _advice(self, why: str) -> str:
        return (
            f"{self._name} could not be downloaded: {why}. Try again later (what came is kept), or get "
            f"{self._source.url} on another machine and put it at {self._path}; "
            f"its SHA-256 must be {self._source.sha256}"
        )

    def _another_file(self) -> ModelBrokenError:
        """Forget what came: it is not the file of the list, and never will be."""
        self._part.unlink(missing_ok=True)
        return ModelBrokenError(
            f"{self._name}: {self._source.url} sends another file than the list of models knows (size or checksum); "
            "it was thrown away. Do not use that file; report it"
        )


def _first_byte(answer: httpx.Response) -> int | None:
    """Return where the part begins that a 206 carries: `Content-Range: bytes FIRST-LAST/ALL`."""
    first = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else None
