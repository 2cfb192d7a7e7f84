"""The administrator's token: needed everywhere, made once, printed once, kept as a hash."""

import pytest
from pydantic import SecretStr

from mosaicast.adapters.database.storage import Storage
from mosaicast.runtime.settings import ApiSettings, Settings
from services.api.__main__ import _keep_admin_token
from services.api.secrets import digest
from tests.services.api.fakes import ADMIN_TOKEN, EDGE_TOKEN, Client, Desk, problem


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Basic {ADMIN_TOKEN}", ADMIN_TOKEN, "Bearer wrong", f"Bearer {EDGE_TOKEN}",
     f"Bearer {ADMIN_TOKEN}x", f"Bearer {digest(ADMIN_TOKEN)}"],
)  # fmt: skip
def test_without_the_token_nothing_is_answered_or_done(desk: Desk, header: str | None) -> None:
    stream_id = desk.create()["stream_id"]
    someone = Client(desk.app, {} if header is None else {"Authorization": header})
    operations = [
        (method, path.format(stream_id=stream_id, person_id="p", photo_id="f"))
        for path, methods in desk.app.openapi()["paths"].items()
        for method in methods
    ]
    assert len(operations) >= 12
    for method, path in operations:
        answer = someone.request(method.upper(), path)
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert [s.stream_id for s in desk.storage.streams()] == [stream_id]
    assert len(desk.producer.sent) == 1


def test_the_right_token_is_accepted_whatever_the_case_of_the_scheme(desk: Desk) -> None:
    assert Client(desk.app, {"Authorization": f"bearer  {ADMIN_TOKEN} "}).get("/v1/streams").status_code == 200


def test_the_token_is_made_and_printed_once_and_kept_as_a_hash(capsys: pytest.CaptureFixture[str]) -> None:
    storage = Storage("sqlite://")
    storage.migrate()
    _keep_admin_token(storage, Settings())
    printed = capsys.readouterr().out.strip()
    token = printed.removeprefix("administrator token (shown this once): ")
    assert len(token) >= 32
    assert storage.secret_sha256("admin_token") == digest(token)
    _keep_admin_token(storage, Settings())
    assert capsys.readouterr() == ("", "")
    assert storage.secret_sha256("admin_token") == digest(token)
    storage.close()


def test_a_preset_token_is_not_printed_and_an_empty_one_is_none(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    _keep_admin_token(storage, Settings(api=ApiSettings(admin_token=SecretStr("preset\n"))))
    assert storage.secret_sha256("admin_token") == digest("preset")
    _keep_admin_token(storage, Settings(api=ApiSettings(admin_token=SecretStr(" "))))
    assert storage.secret_sha256("admin_token") == digest("preset")
    assert capsys.readouterr() == ("", "")


def test_an_empty_token_is_never_right(desk: Desk) -> None:
    desk.storage.keep_secret("admin_token", digest(""))
    problem(Client(desk.app, {"Authorization": "Bearer "}).get("/v1/streams"), 401)
