"""The HTTP client behind the commands: problems become one plain sentence."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_ENROLL_S = 120.0
"""Twenty photos take the api 7 s, after the 2 s that its models need at first; the rest is for the way there."""
_CLIP_S = 300.0
"""The api looks at a video for 90 s at most, and half a minute more at what it found."""


class ApiError(Exception):
    """The api refused or could not be reached; the text is for the user.

    Args:
        problem: the api's answer, if it gave one.
    """

    def __init__(self, text: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.problem = problem or {}


class ApiClient:
    """Calls the api of a running Mosaicast.

    Args:
        url: its base address, e.g. http://127.0.0.1:8000.
        token: the administrator's token.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 30.0) -> None:
        import httpx  # a tenth of a second, which `--help` does without

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

    def get_tagged(self, path: str) -> tuple[Any, str]:
        """Return the decoded answer to GET, and its ETag."""
        answer = self._ask("GET", path)
        return answer.json(), answer.headers["ETag"]

    def patch(self, path: str, body: Mapping[str, Any], *, if_match: str | None = None) -> Any:
        """Return the decoded answer to PATCH of a JSON body.

        Args:
            if_match: change nothing if what is there has another ETag.
        """
        return self._call("PATCH", path, json=body, headers={"If-Match": if_match} if if_match else None)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded answer to PUT of a JSON body."""
        return self._call("PUT", path, json=body)

    def delete(self, path: str) -> None:
        """Delete what is at `path`."""
        self._call("DELETE", path)

    def enroll(
        self,
        name: str,
        photos: Sequence[Path],
        video: Path | None = None,
        *,
        owner: str = "default",
        expires_at: str | None = None,
    ) -> Any:
        """Enroll a person from photo files, a video, or both, and return the answer with a verdict for each.

        Args:
            expires_at: when the consent runs out, RFC 3339; None: never.

        Raises:
            ApiError: also when a file can't be read; nothing is sent then.
        """
        fields = {"name": name, "owner": owner} | ({"expires_at": expires_at} if expires_at else {})
        paths = [("photos", photo) for photo in photos] + ([("video", video)] if video is not None else [])
        return self._send("/v1/people", fields, paths)

    def add_video(self, path: str, video: Path) -> Any:
        """Send a video of the person at `path`, and return the answer with its verdict.

        Raises:
            ApiError: also when the file can't be read; nothing is sent then.
        """
        return self._send(f"{path}/looks", {}, [("video", video)])

    def _send(self, path: str, fields: Mapping[str, str], paths: Sequence[tuple[str, Path]]) -> Any:
        timeout_s = _CLIP_S if any(name == "video" for name, _ in paths) else _ENROLL_S
        with contextlib.ExitStack() as opened:
            try:
                files = [(name, (file.name, opened.enter_context(file.open("rb")))) for name, file in paths]
                for _, (_, file) in files:
                    file.read(1)  # a folder opens on some systems, and fails only here
                    file.seek(0)
            except OSError as exc:
                raise ApiError(f"can't read {exc.filename or 'a photo'}: {exc.strerror}") from exc
            return self._call("POST", path, data=fields, files=files, timeout=timeout_s)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._ask(method, path, **arguments)
        return answer.json() if answer.content else None

    def _ask(self, method: str, path: str, **arguments: Any) -> "httpx.Response":
        import httpx

        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.TransportError as exc:
            raise ApiError(f"no Mosaicast answers at {self._url}; is `mosaicast up` running?") from exc
        if answer.is_error:
            raise _refused(answer)
        return answer


def _refused(answer: "httpx.Response") -> ApiError:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return ApiError(f"the api answered {answer.status_code}")
    return ApiError(
        str(problem.get("detail") or problem.get("title") or f"the api answered {answer.status_code}"), problem
    )
