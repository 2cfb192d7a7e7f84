"""The domain refuses in its own words; http/ alone says which status and which type each becomes."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.api import errors
from services.api.errors import DomainError
from services.api.http.kinds import KINDS, of_status
from services.api.http.problems import KIND_OF, kind_of
from services.api.people.enrollment import Judged, PhotosRefusedError, PhotosTooLargeError
from tests.services.api.fakes import Desk

ROOT = Path(__file__).parents[3]
BEFORE = {
    "NoSuchStreamError": (404, None), "NoSuchPersonError": (404, None), "NoSuchPhotoError": (404, None),
    "NothingSaidError": (404, None), "BeingErasedError": (409, None), "ForeignStreamError": (422, None),
    "ChangedMeanwhileError": (412, None), "SourceRefusedError": (422, None), "MomentPassedError": (422, None),
    "PhotoCountError": (422, None), "PhotosDisagreeError": (422, None), "PhotosRefusedError": (422, None),
    "PhotosTooLargeError": (413, None), "TooManyPeopleError": (422, None), "BusyError": (503, 10),
    "NotToldError": (503, 2), "StoreAwayError": (503, None), "VaultForeignError": (503, None),
    "ModelsBrokenError": (503, None),
    # Younger than that.
    "ClipRefusedError": (422, None), "NothingToCompareError": (409, None), "TooManyLooksError": (422, None),
}  # fmt: skip
"""The status and `Retry-After` that each had when the domain itself knew of HTTP."""


def below(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def test_every_refusal_of_the_domain_has_a_kind_with_the_status_that_it_always_had() -> None:
    assert set(below(DomainError)) == set(KIND_OF)
    told = {error.__name__: (int(kind.status), kind.retry_after_s) for error, kind in KIND_OF.items()}
    assert told == BEFORE


def test_the_nearest_kind_counts() -> None:
    judged = [Judged("a.jpg", "too_large", "it is too large")]
    assert kind_of(PhotosTooLargeError(judged)).slug == "photos-too-large"
    assert kind_of(PhotosRefusedError(judged)).slug == "photos-refused"
    assert kind_of(type("Later", (errors.StoreAwayError,), {})("")).slug == "store-away"


def test_kinds_are_told_apart() -> None:
    assert len({kind.uri for kind in KINDS}) == len(KINDS) >= len(KIND_OF)
    for kind in KINDS:
        assert kind.title
        assert kind.meaning.endswith(".")
        assert kind.remedy.endswith(".")


@pytest.mark.parametrize(
    ("status", "slug"), [(404, "no-such-address"), (405, "method-not-allowed"), (413, "too-large")]
)
def test_what_the_framework_refuses_has_a_kind_too(status: int, slug: str) -> None:
    assert of_status(status).slug == slug


def test_the_linter_is_told_of_every_room_of_the_domain() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    contract = next(one for one in contracts if one["name"] == "of the api only http/ knows HTTP")
    rooms = {f"services.api.{path.stem}" for path in (ROOT / "services" / "api").iterdir() if path.stem[0] != "_"}
    assert set(contract["source_modules"]) == rooms - {"services.api.http"}
    assert {"fastapi", "starlette", "http", "services.api.http"} <= set(contract["forbidden_modules"])


def test_a_refusal_says_of_which_kind_it_is(desk: Desk) -> None:
    told = desk.admin.get("/v1/streams/nobody").json()
    assert told == {
        "type": "/problems/no-such-stream",
        "title": "There is no such stream",
        "status": 404,
        "detail": "there is no stream `nobody`",
    }
