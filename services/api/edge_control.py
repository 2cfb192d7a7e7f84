"""nginx-rtmp's statistics and control pages."""

from xml.etree.ElementTree import ParseError, fromstring

import httpx

_TIMEOUT_S = 1.0


class EdgeControl:
    """Asks the edge who publishes, and cuts publishers off. What is not configured is not used.

    Args:
        url: the edge's control port; None: unknown who publishes, and nobody is cut off.
        token: what the port asks for.
    """

    def __init__(self, url: str | None, token: str) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, headers=headers)

    async def publishers(self) -> frozenset[str] | None:
        """Return the raw streams that somebody publishes now; None: the edge does not say."""
        if self._url is None:
            return None
        try:
            answer = await self._http.get(f"{self._url}/stat")
            return parse_publishers(answer.text) if answer.is_success else None
        except httpx.HTTPError:
            return None

    async def drop_publisher(self, stream_id: str) -> None:
        """Cut off whoever publishes on a stream; an edge that is away has no publisher either."""
        if self._url is None:
            return
        try:
            await self._http.get(f"{self._url}/control/drop/publisher", params={"app": "live", "name": stream_id})
        except httpx.HTTPError:
            return

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def parse_publishers(page: str) -> frozenset[str] | None:
    """Return the names below the application `live` that have a publisher; None: this is no such page."""
    try:
        root = fromstring(page)  # noqa: S314 - our own edge's page
    except ParseError:
        return None
    if root.tag != "rtmp":
        # Some proxy's page in its stead: empty for us, and everybody would count as gone.
        return None
    return frozenset(
        stream.findtext("name", "")
        for application in root.iter("application")
        if application.findtext("name") == "live"
        for stream in application.iter("stream")
        if any(client.find("publishing") is not None for client in stream.iter("client"))
    )
