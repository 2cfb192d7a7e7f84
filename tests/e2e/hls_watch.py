"""A viewer of HLS who loads every segment when it appears, and holds what came against the rules of HLS."""

import contextlib

import httpx

from synthetic.session import LiveStream
from tests.adapters.hls_rules import Item, Listing, broken_rules, parse
from tests.e2e.background import Background

EVERY_S = 0.2


class HlsWatch(Background):
    """Polls a playlist in the background. A context manager; at its end what it saw is judged, by `check`."""

    def __init__(self, stream: LiveStream) -> None:
        self._url = stream.hls_url
        # One for all it asks: each new client reads all authorities of the system first, 20 ms of CPU.
        self._http = httpx.Client(timeout=5.0, trust_env=False)
        super().__init__("hls")
        self.states: list[Listing] = []
        self.segments: dict[str, bytes] = {}
        self.items: list[Item] = []

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._http.close()
        if raised[0] is None:
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
        return self._http.get(httpx.URL(self._url).join(uri))

    def check(self, *, ended: bool = False) -> None:
        """No rule was broken so far; `ended`: players must have been told the end."""
        broken = broken_rules(self.states, self.segments, ended=ended)
        assert not broken, broken

    def run(self) -> None:
        while not self._stop.wait(EVERY_S):
            with contextlib.suppress(httpx.HTTPError):  # the next look finds what this one did not get
                answer = self.get(self._url)
                if answer.status_code == httpx.codes.OK:
                    self._take(parse(answer.text))

    def _take(self, listing: Listing) -> None:
        if self.states[-1:] != [listing]:
            self.states.append(listing)
        for item in listing.items:
            if item not in self.items:
                answer = self.get(item.uri)
                if answer.status_code == httpx.codes.OK:  # not: taken back between the list and this
                    self.segments[item.uri] = answer.content
                self.items.append(item)
