"""A viewer of HLS who loads every segment when it appears, and holds what came against the rules of HLS."""

import threading
from typing import Any

import httpx

from synthetic.session import LiveStream
from tests.adapters.hls_rules import Item, Listing, broken_rules, parse

EVERY_S = 0.2


class HlsWatch:
    """Polls a playlist in the background. A context manager; at its end what it saw is judged, by `check`."""

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

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._stop.set()
        self._thread.join(30)
        if kind is None:
            self.check()

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

    def check(self, *, ended: bool = False) -> None:
        """No rule was broken so far; `ended`: players must have been told the end."""
        broken = broken_rules(self.states, self.segments, ended=ended)
        assert not broken, broken

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
