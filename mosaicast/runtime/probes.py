"""Asking a process of ours over HTTP, for a start and for as long as it runs."""

import http.client
from urllib.parse import urlsplit


def answers(url: str, timeout_s: float) -> bool:
    """Return whether the address says 200 within this time.

    On a connection of its own: a pooled one would tell of the process that it was opened to. No client library: one
    with TLS reads all authorities of the system first, 20 ms of CPU for each question.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
