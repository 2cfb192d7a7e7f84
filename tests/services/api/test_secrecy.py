"""Keys and tokens are seen once, by who asked for them; names never run as programs."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client import generate_latest

from mosaicast.runtime import logs
from services.api.secrets import digest
from tests.services.api.fakes import ADMIN_TOKEN, EDGE_TOKEN, Desk, problem

CHROMIUM = "/usr/bin/chromium"
NASTY = "<img src=x onerror=\"document.title='run'\"></td><script>document.title='run'</script>"


def test_no_key_or_token_is_in_an_answer_or_a_log(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("api", level="DEBUG")
    created = desk.create(name="Main square")
    url = f"/v1/streams/{created['stream_id']}"
    renewed = desk.admin.post(f"{url}/key").json()
    key = renewed["stream_key"]
    answers = [desk.publish(key, "1"), desk.publish(key, "2"), desk.publish(created["stream_key"])]
    answers += [desk.publish_done(key, "2"), desk.publish_done(key, "1")]
    answers += [desk.hook("play", f"app=live&name=x&token={EDGE_TOKEN}"), desk.hook("play", "app=live", token="no")]
    answers += [desk.admin.get(path) for path in ("/v1/streams", url, f"{url}/policy", "/v1/status", "/openapi.json")]
    answers += [desk.anyone.get(path) for path in ("/status", f"/watch/{created['stream_id']}")]
    counted = generate_latest(desk.metrics.registry).decode()

    def fail() -> None:
        raise RuntimeError(f"key={key} token={ADMIN_TOKEN}")

    desk.producer.told = fail
    answers.append(desk.admin.post(f"{url}/panic"))
    problem(answers[-1], 500)
    desk.producer.told = lambda: None
    answers.append(desk.admin.delete(url))
    written = "".join(capsys.readouterr())
    assert '"event": "publisher_came"' in written, "the log is not looked at"
    assert "test_secrecy.py" in written, "where the bug is"
    everything = written + counted + "".join(f"{answer.headers}{answer.text}" for answer in answers)
    for secret in (key, created["stream_key"], ADMIN_TOKEN, EDGE_TOKEN):
        assert secret not in everything
        assert digest(secret) not in everything
    assert "Main square" not in written


def test_the_watch_page_of_an_unknown_stream_is_404(desk: Desk) -> None:
    assert "nobody" in problem(desk.anyone.get("/watch/nobody"), 404)["detail"]
    problem(desk.anyone.get("/watch/%3Cscript%3E"), 404)


def test_the_status_page_holds_nothing_of_anybody(desk: Desk) -> None:
    created = desk.create(name=NASTY)
    page = desk.anyone.get("/status")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for private in (created["stream_id"], NASTY, ADMIN_TOKEN):
        assert private not in page.text


@contextmanager
def serving(app: Any, **more: Any) -> Iterator[str]:
    """An app on a real socket, as a browser needs it; yields its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = {"access_log": False, **more}
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none", **config))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        logging.getLogger("uvicorn.access").propagate = True  # uvicorn leaves it off for whoever comes next


def test_what_uvicorn_says_is_redacted_json(capfd: pytest.CaptureFixture[str]) -> None:
    """Its access log too, which is off: whoever switches it on logs no token."""
    logs.configure("api")

    async def fail(_scope: object, _receive: object, _send: object) -> None:
        raise RuntimeError(ADMIN_TOKEN)

    with serving(fail, access_log=True, log_level="info") as url:
        assert httpx.get(f"{url}/v1/status?token={ADMIN_TOKEN}", trust_env=False).status_code == 500
    written = "".join(capfd.readouterr())
    lines = [json.loads(line) for line in written.splitlines()]
    assert ADMIN_TOKEN not in written
    (access,) = [line for line in lines if line["module"] == "uvicorn.access"]
    assert '"GET /v1/status?token=[redacted] HTTP/1.1" 500' in access["event"]
    errors = [line for line in lines if line["module"] == "uvicorn.error" and line["level"] == "error"]
    assert [line["exception"] for line in errors] == ["RuntimeError"]


def test_names_are_shown_as_text_in_a_browser(desk: Desk) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    desk.create(name=NASTY)
    problem(desk.publish("a-wrong-key"), 403)
    with serving(desk.app) as url, playwright.sync_playwright() as driver:
        assert httpx.get(f"{url}/healthz", trust_env=False).text == "ok\n"
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"{url}/status#token={ADMIN_TOKEN}")
        shown = page.locator("#rows tr td").first.text_content(timeout=30_000)
        assert NASTY in (shown or "")
        assert page.locator("#rows img, #rows script").count() == 0
        refused = page.locator("#refused li").first.text_content(timeout=30_000) or ""
        assert refused.startswith("Refused at the edge: from unknown, once")
        assert refused.endswith("This stream key is not known.")
        assert page.title() == "Mosaicast: streams"
        assert ADMIN_TOKEN not in page.url
        browser.close()
