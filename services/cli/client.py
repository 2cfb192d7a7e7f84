"""The HTTP client behind the commands: problems become one plain sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx


class ApiError(Exception):
    """The api refused or could not be reached; the text is for the user."""


class ApiClient:
    """Calls the api of a running Mosaicast.

    Args:
        url: its base address, e.g. http://127.0.0.1:8000.
        token: the administrator's token.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 30.0) -> None:
        self._url = url
        self._http = httpx.Client(
            base_url=url, timeout=timeout_s, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        )

    def __enter__(self) -> "ApiClient":
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str) -> Any:
        """Return the decoded answer to GET.

        Raises:
            ApiError: as for every call here.
        """
        return self._call("GET", path)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the decoded answer to POST of a JSON body."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded answer to PATCH of a JSON body."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        """Delete what is at `path`."""
        self._call("DELETE", path)

    def enrol(self, name: str, photos: list[Path], *, owner: str = "default") -> Any:
        """Enrol a person from photo files and return the answer with a verdict for each photo.

        Raises:
            ApiError: also when a file can't be read.
        """
        try:
            files = [("photos", (photo.name, photo.read_bytes())) for photo in photos]
        except OSError as exc:
            raise ApiError(f"can't read {exc.filename}: {exc.strerror}") from exc
        return self._call("POST", "/v1/people", data={"name": name, "owner": owner}, files=files)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.TransportError as exc:
            raise ApiError(f"no Mosaicast answers at {self._url}; is `mosaicast up` running?") from exc
        if answer.is_error:
            raise ApiError(_problem(answer))
        return answer.json() if answer.content else None


def _problem(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"the api answered {answer.status_code}"
    detail = problem.get("detail") or problem.get("title") or f"the api answered {answer.status_code}"
    return str(detail)
