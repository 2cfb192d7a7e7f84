"""The browsers that open our pages in tests and benches: Chromium by Playwright, Firefox by WebDriver BiDi.

Both have no window, and heed a page's Content-Security-Policy, and what is evaluated passes by it.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal, Protocol

from mosaicast.runtime.children import die_with_parent
from synthetic.session import wait_until

Name = Literal["chromium", "firefox"]
CHROMIUM, FIREFOX = "/usr/bin/chromium", "/usr/bin/firefox-esr"
SIZE_WH = (900, 700)
START_S = 180.0
"""A browser that gets what others leave of the cores takes a minute and more."""
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
_QUIET = {
    "app.update.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9",
    "toolkit.telemetry.enabled": False,
}
"""Firefox's own traffic is none of our business, and the network may be away."""


class Page(Protocol):
    """A page in a browser."""

    complaints: list[str]
    """What the browser's console has to find fault with: broken policies, errors of scripts."""

    def open(self, url: str) -> None:
        """Go to an address and wait until its scripts have begun."""

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, which must be data."""

    def click(self, selector: str) -> None:
        """Click on something, as a person does."""

    def screenshot(self, path: Path) -> None:
        """Write what is to be seen as PNG."""


class _Chromium:
    def __init__(self, page: Any) -> None:
        self.complaints: list[str] = []
        self._page = page
        self._tools = page.context.new_cdp_session(page)
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, url: str) -> None:
        self._page.goto(url, wait_until="domcontentloaded")

    def evaluate(self, expression: str) -> Any:
        # Playwright's own `evaluate` is an `eval` in the page, which our policy refuses.
        request = {"expression": _as_json(expression), "awaitPromise": True, "returnByValue": True}
        answer = self._tools.send("Runtime.evaluate", request)
        assert "exceptionDetails" not in answer, answer
        return json.loads(answer["result"]["value"])

    def click(self, selector: str) -> None:
        self._page.click(selector)

    def screenshot(self, path: Path) -> None:
        self._page.screenshot(path=str(path))


class _Talk:
    """Questions to Firefox and its answers, and what the consoles of its pages have to find fault with."""

    def __init__(self, socket: Any) -> None:
        self.complaints: dict[str, list[str]] = {}
        """Of each page that is open."""
        self._socket, self._ids = socket, count(1)

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(timeout=START_S))
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.complaints.setdefault(said["params"]["source"]["context"], []).append(str(said["params"]["text"]))
            if said.get("id") == number:
                assert said["type"] == "success", said
                return said["result"]


class _Tabs:
    """The tabs of a Firefox."""

    def __init__(self, socket: Any) -> None:
        self._talk = _Talk(socket)
        self._talk.ask("session.new", {"capabilities": {}})
        self._talk.ask("session.subscribe", {"events": ["log.entryAdded"]})

    @contextmanager
    def tab(self, size_wh: tuple[int, int] = SIZE_WH) -> Iterator[Page]:
        """Open one."""
        context = self._talk.ask("browsingContext.create", {"type": "tab"})["context"]
        viewport = {"width": size_wh[0], "height": size_wh[1]}
        self._talk.ask("browsingContext.setViewport", {"context": context, "viewport": viewport})
        try:
            yield _Firefox(self._talk, context)
        finally:
            self._talk.ask("browsingContext.close", {"context": context})


class _Firefox:
    def __init__(self, talk: _Talk, context: str) -> None:
        self._talk, self._context = talk, context
        self.complaints = talk.complaints.setdefault(context, [])

    def open(self, url: str) -> None:
        self._ask("browsingContext.navigate", url=url, wait="interactive")

    def evaluate(self, expression: str) -> Any:
        request = {"expression": _as_json(expression), "target": {"context": self._context}, "awaitPromise": True}
        answer = self._talk.ask("script.evaluate", request)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def click(self, selector: str) -> None:
        box = self.evaluate(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({_box(selector)})")
        mouse: list[dict[str, Any]] = [{"type": "pointerMove", "x": round(box[0]), "y": round(box[1])}]
        mouse += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._ask("input.performActions", actions=[{"type": "pointer", "id": "mouse", "actions": mouse}])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("browsingContext.captureScreenshot")["data"]))

    def _ask(self, method: str, **params: Any) -> Any:
        return self._talk.ask(method, {"context": self._context, **params})


def _as_json(expression: str) -> str:
    return f"(async () => JSON.stringify((await ({expression})) ?? null))()"


def _box(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"


Open = Callable[..., AbstractContextManager[Page]]
"""Opens an empty page in a browser that runs; takes the page's size, CSS pixels, as `size_wh`."""


@contextmanager
def running_chromium() -> Iterator[Open]:
    """Run Chromium. Each page has a context of its own, for which Playwright takes more, such as `color_scheme`.

    Meanwhile this thread has an event loop: whatever needs one of its own runs in another.

    Raises:
        playwright.sync_api.Error: Chromium is not there or does not start.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))

        @contextmanager
        def page(size_wh: tuple[int, int] = SIZE_WH, **context: Any) -> Iterator[Page]:
            context["viewport"] = {"width": size_wh[0], "height": size_wh[1]}
            opened = browser.new_context(**context)
            try:
                yield _Chromium(opened.new_page())
            finally:
                opened.close()

        yield page
        browser.close()


@contextmanager
def running_firefox(folder: Path) -> Iterator[Open]:
    """Run Firefox with a profile of its own below `folder`. Each page is a tab.

    Raises:
        OSError: it is not there.
        TimeoutError: it does not start.
    """
    from websockets.sync.client import connect

    profile = folder / "firefox"
    shutil.rmtree(profile, ignore_errors=True)
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _QUIET.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    environment = {**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"}
    with (profile / "said").open("wb") as said:
        process = subprocess.Popen(die_with_parent(command), env=environment, stdout=said, stderr=said)
        try:
            door = profile / "WebDriverBiDiServer.json"
            wait_until(lambda: door.exists() and door.stat().st_size > 0, START_S, "Firefox listens")
            port = json.loads(door.read_text())["ws_port"]
            with connect(f"ws://127.0.0.1:{port}/session", max_size=None, proxy=None) as socket:
                yield _Tabs(socket).tab
        finally:
            process.kill()
            process.wait()


@contextmanager
def chromium(size_wh: tuple[int, int] = SIZE_WH, **context: Any) -> Iterator[Page]:
    """Open Chromium with an empty page; see `running_chromium`."""
    with running_chromium() as opened, opened(size_wh, **context) as page:
        yield page


@contextmanager
def firefox(folder: Path, size_wh: tuple[int, int] = SIZE_WH) -> Iterator[Page]:
    """Open Firefox with an empty page; see `running_firefox`."""
    with running_firefox(folder) as opened, opened(size_wh) as page:
        yield page


@contextmanager
def browser(name: Name, folder: Path) -> Iterator[Page]:
    """Open one of the two."""
    with chromium() if name == "chromium" else firefox(folder) as page:
        yield page
