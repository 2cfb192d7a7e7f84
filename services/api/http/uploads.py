"""Reading a form part by part, as it arrives: at most one file is in memory, and none on the disk.

The framework's own form would be read whole before the administrator's token is looked at, and its files would lie
unencrypted in the temporary folder.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from services.api.http.kinds import FORM_WANTED, NOT_READABLE, NOT_VALID, TOO_LARGE, TOO_SLOW
from services.api.http.problems import ProblemError
from services.api.slots import UploadLimits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LONGEST_FIELD = 10_000
_LONGEST_HEADERS = 8_000
_MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file of a form."""

    name: str
    file: str | None
    """The sender's name of the file; None: this is a field."""
    content: bytes
    """Empty if it was too large."""
    size: int

    @property
    def text(self) -> str:
        """The field's text; what is no UTF-8 is replaced."""
        return self.content.decode("utf-8", "replace")


async def read_parts(request: Request, largest_file: Callable[[str], int], limits: UploadLimits) -> AsyncIterator[Part]:
    """Yield the parts of a multipart form, each when all of it has arrived.

    Args:
        largest_file: says how many bytes are held of a file, by the name of its part.

    Raises:
        ProblemError: 415 no such form, 422 broken or too many parts, 413 a field is too long, 400 the sender went away,
            408 it is too slow.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ProblemError(FORM_WANTED, "send a form: multipart/form-data")
    collector = _Collector(largest_file)
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        async for chunk in _in_time(request.stream(), limits):
            parser.write(chunk)
            for part in collector.take():
                yield part
    except FormParserError as exc:
        raise ProblemError(NOT_VALID, "the form is broken") from exc
    except ClientDisconnect as exc:
        raise ProblemError(NOT_READABLE, "the upload broke off") from exc
    if not collector.ended:
        raise ProblemError(NOT_VALID, "the form ends too early")


async def _in_time(chunks: AsyncIterator[bytes], limits: UploadLimits) -> AsyncIterator[bytes]:
    """Yield what arrives, as long as it arrives fast enough.

    Raises:
        ProblemError: 408; the connection is closed with it, for the rest of the body is not read.
    """
    now_s = asyncio.get_running_loop().time
    waited_s, taken = 0.0, 0
    while True:
        allowed_s = min(limits.longest_s, limits.grace_s + taken / limits.least_bytes_per_s)
        began_s = now_s()
        try:
            async with asyncio.timeout(min(limits.stall_s, allowed_s - waited_s)):
                chunk = await anext(chunks, None)
        except TimeoutError as exc:
            slow = "the photos arrive too slowly; send smaller ones, or over a faster connection"
            raise ProblemError(TOO_SLOW, slow, headers={"Connection": "close"}) from exc
        if chunk is None:
            return
        waited_s, taken = waited_s + now_s() - began_s, taken + len(chunk)
        yield chunk


class _Collector:
    """Puts parts together from the parser's events."""

    def __init__(self, largest_file: Callable[[str], int]) -> None:
        self._largest_file = largest_file
        self._done: list[Part] = []
        self._parts = 0
        self.ended = False
        self._begin()

    def callbacks(self) -> "MultipartCallbacks":
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end_part,
            "on_header_field": lambda data, start, end: self._header(self._header_name, data[start:end]),
            "on_header_value": lambda data, start, end: self._header(self._header_value, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_end": self._end,
        }

    def take(self) -> list[Part]:
        """Return the parts that are complete now."""
        done, self._done = self._done, []
        return done

    def _begin(self) -> None:
        self._name = ""
        self._file: str | None = None
        self._header_name, self._header_value, self._disposition = bytearray(), bytearray(), b""
        self._content, self._size, self._largest = bytearray(), 0, _LONGEST_FIELD

    def _header(self, target: bytearray, data: bytes) -> None:
        if len(target) + len(data) > _LONGEST_HEADERS:
            raise ProblemError(NOT_VALID, "the form is broken")
        target += data

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise ProblemError(NOT_VALID, f"the form has more than {_MOST_PARTS} parts")
        if b"filename" in options:
            self._file = options[b"filename"].decode("utf-8", "replace")
            self._largest = self._largest_file(self._name)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size <= self._largest:
            self._content += data[start:end]
        elif self._file is None:
            raise ProblemError(TOO_LARGE, "a field of the form is too long")
        else:
            self._content.clear()

    def _end_part(self) -> None:
        self._done.append(Part(self._name, self._file, bytes(self._content), self._size))

    def _end(self) -> None:
        self.ended = True
