"""The OpenAPI document: committed, fresh, and of use to programs and to people."""

import json
from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from mosaicast.contracts.messages import MOST_ZONES, Policy
from mosaicast.contracts.streams import ANALYSIS_FPS, DETECTION_THRESHOLD, SETTABLE_DELAY_S, Limits, Preset
from services.api.http import (
    reference,
    routes_consents,
    routes_people,
    routes_status,
    routes_streams,
    schemas_people,
    schemas_status,
    schemas_streams,
)
from services.api.http.kinds import KINDS
from services.api.http.problems import Problem
from tests.services.api.fakes import Desk, problem

DOCS = Path(__file__).parents[3] / "docs"
NOT_SHOWN = {"EnrollForm"}
"""Read part by part: the document describes the form instead."""


def models(module: ModuleType) -> Iterator[type[BaseModel]]:
    for model in vars(module).values():
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == module.__name__:
            yield model


SHOWN: list[type[BaseModel]] = [
    *(model for module in (schemas_people, schemas_status, schemas_streams) for model in models(module)),
    Problem,
]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(reference.openapi())
    return made


@pytest.mark.parametrize(
    ("name", "make"), [("openapi.json", reference.openapi), ("reference/problems.md", reference.problems)]
)
def test_the_committed_references_are_fresh(name: str, make: Callable[[], str]) -> None:
    written, fresh = (DOCS / name).read_text("utf-8"), make()
    diff = "".join(unified_diff(written.splitlines(True), fresh.splitlines(True), "committed", "from the code", n=2))
    assert written == fresh, f"run `{reference.COMMAND}` and commit docs/{name}:\n{diff[:4000]}"


def test_the_served_document_is_the_committed_one(desk: Desk, document: dict[str, Any]) -> None:
    assert desk.anyone.get("/openapi.json").json() == document


@pytest.mark.parametrize(
    "model", [model for model in SHOWN if model.__name__ not in NOT_SHOWN], ids=lambda m: m.__name__
)
def test_every_body_has_an_example_that_is_one(model: type[BaseModel], document: dict[str, Any]) -> None:
    (example,) = document["components"]["schemas"][model.__name__]["examples"]
    body = model.model_validate_json(json.dumps(example))
    assert json.loads(body.model_dump_json(exclude_unset=True)) == example


def test_no_schema_is_without_an_example(document: dict[str, Any]) -> None:
    enums = {name for name, schema in document["components"]["schemas"].items() if "enum" in schema}
    assert set(document["components"]["schemas"]) - enums == {model.__name__ for model in SHOWN} - NOT_SHOWN
    form = document["paths"]["/v1/people"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schemas_people.EnrollForm(**{k: v for k, v in form["examples"][0].items() if k not in {"photos", "video"}})


def test_ids_of_operations_are_written_down_and_tags_have_texts(document: dict[str, Any]) -> None:
    routers = (routes_streams.router, routes_people.router, routes_people.gallery, routes_consents.router)
    for router in (*routers, routes_status.router):
        assert all(isinstance(route, APIRoute) and route.operation_id for route in router.routes)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {tag for operation in operations for tag in operation["tags"]} == {tag["name"] for tag in document["tags"]}
    assert all(tag["description"] for tag in document["tags"])


def test_every_type_of_problem_has_a_page(desk: Desk) -> None:
    index = desk.anyone.get("/problems").text
    for kind in KINDS:
        page = desk.anyone.get(kind.uri)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src" not in page.headers["content-security-policy"]
        assert f"<h1>{kind.title.replace(chr(39), '&#x27;')}</h1>" in page.text
        assert f'href="{kind.uri}"' in index
    assert problem(desk.anyone.get("/problems/none"), 404)["type"] == "/problems/no-such-address"


def test_the_problems_that_an_operation_names_have_the_status_under_which_they_stand(document: dict[str, Any]) -> None:
    seen = set()
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                for slug, example in (
                    answer.get("content", {}).get("application/problem+json", {}).get("examples", {}).items()
                ):
                    assert str(example["value"]["status"]) == status
                    seen.add(slug)
    hidden = {"refused", "no-such-address", "method-not-allowed"}  # of hooks, and of what is no operation
    assert seen == {kind.slug for kind in KINDS} - hidden


def test_nothing_of_a_request_goes_out_by_the_frameworks_own_telemetry(desk: Desk) -> None:
    switches = ("tracing", "metrics", "logs", "auto_configure")
    telemetry: Mapping[str, Any] = desk.app._telemetry
    assert {name: telemetry[name] for name in switches} == dict.fromkeys(switches, False)


@pytest.mark.parametrize(
    ("member", "limits"),
    [("delay_s", SETTABLE_DELAY_S), ("analysis_fps", ANALYSIS_FPS), ("detection_threshold", DETECTION_THRESHOLD)],
)
def test_the_limits_of_a_policy_are_the_contracts(document: dict[str, Any], member: str, limits: Limits) -> None:
    told = document["components"]["schemas"]["PolicyPatch"]["properties"][member]["anyOf"][0]
    assert Limits(told["minimum"], told["maximum"]) == limits
    for value in limits:
        assert schemas_streams.PolicyPatch.model_validate({member: value})
        assert msgspec.convert({member: value}, Policy)
    for value in (limits.least - 0.01, limits.most + 0.01):
        with pytest.raises(ValidationError):
            schemas_streams.PolicyPatch.model_validate({member: value})


def test_words_of_a_policy_are_the_contracts() -> None:
    assert get_args(get_args(schemas_streams.PolicyPatch.model_fields["preset"].annotation)[0]) == get_args(Preset)
    zones = [{"x": 0, "y": 0, "width": 1, "height": 1}]
    assert schemas_streams.PolicyPatch.model_validate({"zones": zones * MOST_ZONES})
    with pytest.raises(ValidationError):
        schemas_streams.PolicyPatch.model_validate({"zones": zones * (MOST_ZONES + 1)})
