"""A viewer of HLS who checks what RFC 8216 asks for, and loads every segment when it appears."""

import threading
from itertools import pairwise
from typing import Any

import httpx

from synthetic.session import LiveStream
from tests.adapters.hls_rules import Item, Listing, check_follows, check_segments, is_unguessable, parse

EVERY_S = 0.2


class HlsWatch:
    """Polls a playlist in the background; `check` judges what it saw. A context manager."""

    def __init__(self, stream: LiveStream) -> None:
        self._url = stream.hls_url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hls", daemon=True)
        self.states: list[Listing] = []
        self.segments: dict[str, bytes] = {}
        self.items: list[Item] = []

    def __enter__(self) -> "HlsWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join(30)

    @property
    def count(self) -> int:
        """Segments loaded so far."""
        return len(self.segments)

    @property
    def uris(self) -> list[str]:
        """Segments in the newest list."""
        return [item.uri for item in self.states[-1].items] if self.states else []

    def get(self, uri: str) -> httpx.Response:
        """Load something relative to the playlist."""
        return httpx.get(httpx.URL(self._url).join(uri), timeout=5.0, trust_env=False)

    def check(self) -> None:
        """All states follow from each other, and every segment is what it says."""
        for before, after in pairwise(self.states):
            check_follows(before, after)
        assert all(is_unguessable(item.uri) for item in self.items)
        check_segments([item for item in self.items if item.uri in self.segments], self.segments.__getitem__)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                answer = self.get(self._url)
            except httpx.HTTPError:
                continue
            if answer.status_code == httpx.codes.OK:
                self._take(parse(answer.text))

    def _take(self, listing: Listing) -> None:
        if self.states[-1:] != [listing]:
            self.states.append(listing)
        for item in listing.items:
            if item not in self.items:
                self.items.append(item)
                answer = self.get(item.uri)
                if answer.status_code == httpx.codes.OK:  # not: taken back between the list and this
                    self.segments[item.uri] = answer.content
