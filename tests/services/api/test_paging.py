"""Lists by the page; whole where no page is asked for."""

import pytest

from mosaicast.adapters.database.storage import Person, Storage
from tests.services.api.fakes import Client, Desk, problem

COUNT = 5


@pytest.fixture
def filled(desk: Desk, storage: Storage) -> Desk:
    """Streams and people who were made in twos at the same moment: ids decide who comes first."""
    for number in range(COUNT):
        desk.now_ms += number % 2
        desk.create(name=f"stream {number}")
        storage.create_person(Person(f"p{number}", "default", f"person {number}", desk.now_ms))
    return desk


def ids(body: dict[str, list[dict[str, str]]], member: str) -> list[str]:
    return [one["person_id" if member == "people" else "stream_id"] for one in body[member]]


def pages(client: Client, path: str, member: str, limit: int) -> list[list[str]]:
    """Follow the cursors to the end."""
    found: list[list[str]] = []
    cursor = ""
    while len(found) <= COUNT:
        body = client.get(f"{path}?limit={limit}{cursor}").json()
        found.append(ids(body, member))
        if body["next_cursor"] is None:
            return found
        cursor = f"&cursor={body['next_cursor']}"
    pytest.fail("the list has no end")


@pytest.mark.parametrize(
    ("path", "member"), [("/v1/streams", "streams"), ("/v1/people", "people"), ("/v1/status", "streams")]
)
@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
def test_pages_together_are_the_list(filled: Desk, path: str, member: str, limit: int) -> None:
    whole = filled.admin.get(path).json()
    assert len(whole[member]) == COUNT
    assert whole["next_cursor"] is None, "without a limit the list is whole, as it always was"
    found = pages(filled.admin, path, member, limit)
    assert [one for page in found for one in page] == ids(whole, member)
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1], "no page is empty"


def test_what_is_deleted_between_two_pages_costs_nobody_else(filled: Desk) -> None:
    first = filled.admin.get("/v1/streams?limit=2").json()
    rest = ids(filled.admin.get("/v1/streams").json(), "streams")[2:]
    assert filled.admin.delete(f"/v1/streams/{first['streams'][1]['stream_id']}").status_code == 204
    assert ids(filled.admin.get(f"/v1/streams?cursor={first['next_cursor']}").json(), "streams") == rest


@pytest.mark.parametrize("path", ["/v1/streams", "/v1/people", "/v1/status"])
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=many",
        "cursor=nonsense",
        "cursor=é",
        "cursor=WzFd",
        "cursor=WyJhIiwgMV0=",
        "cursor=WzEsIlx1ZDgwMCJd",
        "cursor=W3RydWUsIngiXQ==",
    ],
)
def test_what_is_no_page_is_refused(filled: Desk, path: str, query: str) -> None:
    told = problem(filled.admin.get(f"{path}?{query}"), 422)
    assert told["errors"][0]["field"] == f"query.{query.partition('=')[0]}"
