"""HLS on an edge of another machine: its nginx takes files by PUT and deletes them by DELETE (deploy/edge)."""

import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from urllib.parse import quote

import httpx

from mosaicast.adapters.media.hls_folder import HlsStoreError, checked
from mosaicast.runtime.clocks import monotonic_s

TIMEOUT_S = 5.0
"""For one file and its answer. A segment is 2 s of a stream: an edge that takes longer does not keep up."""
_PIECE_BYTES = 64 * 1024
"""Between two looks at the clock while a file is sent."""
_CLAIM = "/hls.claim"
_REASONS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "it refuses the secret",
    HTTPStatus.FORBIDDEN: "it refuses the secret",
    HTTPStatus.NOT_FOUND: "it takes no HLS at this address",
    HTTPStatus.METHOD_NOT_ALLOWED: "it takes no HLS at this address",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the segment is too large for it",
    HTTPStatus.INTERNAL_SERVER_ERROR: "it can't write; is its disk full",
    HTTPStatus.INSUFFICIENT_STORAGE: "its disk is full",
}


class HlsHttp:
    """Files of all streams on another machine's edge. Whoever reads there sees a file whole or not at all.

    Any number of threads may use it. Each call first makes sure that this process is the one that writes there: who
    came last is, for an earlier one may be dead, and nobody else can tell. The earlier one notices at its next call.

    Args:
        url: the edge's control port, e.g. http://10.0.0.5:8081.
        token: what it asks for; it is sent in a header, and stands in no text of an error.
        timeout_s: for one file.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False)
        self._timeout_s = timeout_s
        self._name = secrets.token_urlsafe(16)
        self._claiming = threading.Lock()
        self._sweeps = 0
        self._claimed = False
        self._written: dict[str, int] = {}
        """Streams that have files there, and how many sweeps there had been at their first one."""

    def claim(self) -> None:
        """Become the one who writes there, unless this process is it already, and sweep what an earlier one has left.

        Raises:
            HlsStoreError: the edge is away, or refuses.
        """
        with self._claiming:
            if not self._claimed:
                self._put(_CLAIM, self._name.encode())
                self._delete("/hls/")
                self._sweeps += 1
                self._claimed = True

    def write(self, stream_id: str, name: str, data: bytes) -> None:
        """Write a file of a stream in one step.

        Raises:
            HlsStoreError: it is not there, or what was written before is gone: another compositor or a new edge.
        """
        path = _path(stream_id, name)
        if not self._is_ours():
            raise HlsStoreError("another compositor writes there; each needs an edge of its own")
        if self._written.setdefault(stream_id, self._sweeps) != self._sweeps:
            del self._written[stream_id]
            raise HlsStoreError("it had lost what was there")
        self._put(path, data)

    def delete(self, stream_id: str, names: Iterable[str]) -> None:
        """Delete files of a stream; those that are gone already are no error.

        Raises:
            HlsStoreError: one stays.
        """
        paths = [_path(stream_id, name) for name in names]
        if paths and self._is_ours():
            for path in paths:
                self._delete(path)

    def remove(self, stream_id: str) -> None:
        """Delete everything of a stream.

        Raises:
            HlsStoreError: something stays.
        """
        path = _path(stream_id, "")
        if self._is_ours():
            self._delete(path)
        self._written.pop(stream_id, None)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _is_ours(self) -> bool:
        """Return whether this process is the one that writes there; if not, nothing of it is there any more."""
        self.claim()
        answer = self._ask("GET", _CLAIM)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            self._claimed = False
            raise HlsStoreError("it has lost what was there")
        return _good(answer).text == self._name

    def _put(self, path: str, data: bytes) -> None:
        _good(self._ask("PUT", path, data))

    def _delete(self, path: str) -> None:
        answer = self._ask("DELETE", path)
        if answer.status_code != HTTPStatus.NOT_FOUND:
            _good(answer)

    def _ask(self, method: str, path: str, data: bytes | None = None) -> httpx.Response:
        try:
            try:
                return self._once(method, path, data)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                return self._once(method, path, data)  # an idle connection that the edge has closed, mostly
        except httpx.TimeoutException as exc:
            raise self._too_slow() from exc
        except httpx.RequestError as exc:
            raise HlsStoreError(f"no connection: {exc}") from exc

    def _once(self, method: str, path: str, data: bytes | None) -> httpx.Response:
        if data is None:
            return self._http.request(method, path)
        headers = {"Content-Length": str(len(data))}  # else it goes in chunks
        return self._http.request(method, path, content=self._pieces(data), headers=headers)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield a file in pieces; the library's own limit is for each of them, not for all."""
        until_s = monotonic_s() + self._timeout_s
        for start in range(0, len(data), _PIECE_BYTES):
            if monotonic_s() > until_s:
                raise self._too_slow()
            yield data[start : start + _PIECE_BYTES]

    def _too_slow(self) -> HlsStoreError:
        return HlsStoreError(f"it does not answer within {self._timeout_s:g} s")


def _path(stream_id: str, name: str) -> str:
    return f"/hls/{quote(checked(stream_id), safe=':')}/{name}"


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise HlsStoreError(f"{_REASONS.get(answer.status_code, 'it refuses')} ({answer.status_code})")
