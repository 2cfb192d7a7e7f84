"""Errors as problem+json, the OpenAPI document, probes and metrics."""

import json
import re
import shutil
from collections.abc import AsyncIterator

import pytest
from prometheus_client import generate_latest

from services.api.http.middleware import LARGEST_BODY_BYTES, LARGEST_UPLOAD_BYTES
from tests.services.api.fakes import ADMIN_TOKEN, Desk, problem

JSON = {"Content-Type": "application/json"}


def counted(desk: Desk, route: str, method: str, status: int) -> float | None:
    labels = {"route": route, "method": method, "status": str(status)}
    return desk.metrics.registry.get_sample_value("mosaicast_http_requests_total", labels)


def test_what_the_framework_refuses_is_a_problem(desk: Desk) -> None:
    problem(desk.admin.get("/nowhere"), 404)
    refused = desk.admin.request("PUT", "/v1/streams")
    problem(refused, 405)
    assert refused.headers["allow"]
    for body in ("{", "nonsense", "", '{"name": "a", "name2": "b"}'):
        problem(desk.admin.post("/v1/streams", content=body, headers=JSON), 422)
    problem(desk.admin.post("/v1/streams", content="[" * 100_000, headers=JSON), 400)


def test_refused_values_are_not_repeated(desk: Desk) -> None:
    for body in ({"name": ["s3cret"]}, {"name": "a", "owner": "s3cret here"}, {"name": "a", "source": "s3cret"}):
        assert "s3cret" not in desk.admin.post("/v1/streams", json=body).text


def test_a_body_that_is_too_large_is_413_before_it_is_read(desk: Desk) -> None:
    problem(desk.admin.post("/v1/streams", content="", headers={"Content-Length": str(LARGEST_BODY_BYTES + 1)}), 413)
    form = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "9" * 5000}
    problem(desk.admin.post("/v1/people", content="", headers=form), 413)
    problem(desk.anyone.post("/v1/people", content="", headers=form), 401)
    assert LARGEST_UPLOAD_BYTES > 20 * 20_000_000
    assert counted(desk, "/v1/streams", "POST", 413) == 1


def test_a_body_without_a_length_ends_at_the_limit(desk: Desk) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            assert sent < 100, "it is read without end"
            yield b"x" * 100_000

    problem(desk.anyone.post("/v1/streams", content=endless(), headers=JSON), 413)


def test_a_bug_is_500_without_a_trace_or_its_text(desk: Desk) -> None:
    def fail() -> None:
        raise RuntimeError("s3cret at /home/us/app.py")

    desk.producer.told = fail
    answer = desk.admin.post("/v1/streams", json={"name": "a"})
    told = problem(answer, 500)
    assert set(told) == {"type", "title", "status", "detail"}
    for telling in ("s3cret", "Traceback", "RuntimeError", ".py"):
        assert telling not in answer.text
    assert counted(desk, "/v1/streams", "POST", 500) == 1


def test_a_database_that_is_away_is_503_and_not_ready(desk: Desk) -> None:
    assert desk.anyone.get("/readyz").status_code == 200
    desk.storage.close()
    shutil.rmtree(desk.folder / "db")
    answer = desk.admin.get("/v1/streams")
    assert "database" in problem(answer, 503)["detail"]
    assert answer.headers["retry-after"] == "2"
    assert str(desk.folder) not in answer.text
    assert desk.anyone.get("/readyz").status_code == 503
    assert desk.anyone.get("/healthz").status_code == 200, "a restart would not bring it back"


def test_probes_need_no_token_and_metrics_are_not_on_the_public_port(desk: Desk) -> None:
    assert (desk.anyone.get("/healthz").text, desk.anyone.get("/readyz").text) == ("ok\n", "ok\n")
    desk.ready = False
    assert (desk.anyone.get("/healthz").status_code, desk.anyone.get("/readyz").status_code) == (200, 503)
    problem(desk.anyone.get("/metrics"), 404)
    problem(desk.admin.get("/metrics"), 404)
    text = generate_latest(desk.metrics.registry).decode()
    assert 'mosaicast_http_requests_total{method="GET",route="/readyz",status="503"} 1.0' in text


def test_metrics_are_labelled_by_route_never_by_address(desk: Desk) -> None:
    desk.admin.get("/v1/streams/s3cret")
    desk.admin.get("/s3cret")
    desk.admin.request("S3CRET", "/v1/streams")
    assert counted(desk, "/v1/streams/{stream_id}", "GET", 404) == 1
    assert counted(desk, "other", "GET", 404) == 1
    assert "s3cret" not in generate_latest(desk.metrics.registry).decode().lower()


def test_the_openapi_document_is_complete(desk: Desk) -> None:
    answer = desk.anyone.get("/openapi.json")
    assert ADMIN_TOKEN not in answer.text
    document = answer.json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) >= 12
    for operation in operations:
        name = operation["operationId"]
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        assert operation["security"] == [{"HTTPBearer": []}], name
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert len(good) == 1, name
        content = operation["responses"][good[0]].get("content", {})
        assert good == ["204"] or "image/jpeg" in content or content["application/json"]["schema"]["$ref"], name
        wrong = {status: r for status, r in operation["responses"].items() if status >= "400"}
        assert {"401", "500", "503"} <= set(wrong), name
        for status, response in wrong.items():
            told = response["content"].pop("application/problem+json")
            assert told["schema"] == {"$ref": "#/components/schemas/Problem"}, (name, status)
            assert told["examples"], (name, status)
            assert response["content"] == {}, (name, status)
    assert "HTTPValidationError" not in json.dumps(document)
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == {"type", "title", "status", "detail"}


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_descriptions_page_loads_nothing_from_elsewhere(desk: Desk, page: str) -> None:
    text = desk.anyone.get(page).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert loaded
    assert all(address.startswith("/") for address in loaded), "the page is given the administrator's token"
    assert all(desk.anyone.get(address).status_code == 200 for address in loaded)
