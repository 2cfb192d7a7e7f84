"""Whoever sends photos too slowly loses the slot; whoever finds none free hears so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mosaicast.adapters.database.storage import Storage
from services.api.http.app import create_app
from services.api.http.kinds import TOO_SLOW
from services.api.http.problems import ProblemError
from services.api.http.uploads import _in_time
from services.api.slots import Slots, UploadLimits
from tests.services.api.fakes import ADMIN_TOKEN, Client, problem
from tests.services.api.people_tools import PeopleDesk, jpeg, portrait
from tests.services.api.test_secrecy import serving

HEAD = (
    "POST /v1/people HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\r\nContent-Length: 100000\r\n"
    "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
)
PATIENT_S = 60.0


def limited(desk: PeopleDesk, count: int, limits: UploadLimits) -> None:
    desk.deps = replace(desk.deps, uploads=Slots(count, limits))
    desk.app = create_app(desk.deps, desk.metrics, ready=lambda: True)
    desk.admin = Client(desk.app, {"Authorization": f"Bearer {ADMIN_TOKEN}"})


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> PeopleDesk:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    return desk


async def trickle(url: str, began: asyncio.Event) -> None:
    """Send a byte now and then until the connection ends."""
    host, port = url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(HEAD.format(token=ADMIN_TOKEN).encode())
    try:
        while True:
            writer.write(b"a")
            await writer.drain()
            began.set()
            await asyncio.sleep(0.05)
    except ConnectionError:
        return  # what was on its way when the server closed may have cost the answer: it is looked at below
    finally:
        writer.close()


def counted(desk: PeopleDesk, status: int) -> float:
    labels = {"route": "/v1/people", "method": "POST", "status": str(status)}
    return desk.metrics.registry.get_sample_value("mosaicast_http_requests_total", labels) or 0.0


def test_a_client_that_trickles_loses_its_slot_to_one_that_does_not(desk: PeopleDesk) -> None:
    limited(desk, 1, UploadLimits(slot_s=PATIENT_S, grace_s=0.5))

    async def scene(url: str) -> int:
        began = asyncio.Event()
        slow = asyncio.create_task(trickle(url, began))
        await began.wait()
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENT_S) as http:
            files = [("photos", ("a.jpg", jpeg(portrait("astronaut"))))]
            token = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            good = await http.post(f"{url}/v1/people", data={"name": "Ann"}, files=files, headers=token)
        await slow
        return good.status_code

    with serving(desk.app) as url:
        assert asyncio.run(asyncio.wait_for(scene(url), PATIENT_S)) == 201
    assert (counted(desk, 408), counted(desk, 201)) == (1, 1)
    assert len(desk.storage.people_ids()) == 1


def test_a_client_that_stalls_is_told_and_its_connection_is_not_used_again(desk: PeopleDesk) -> None:
    limited(desk, 1, UploadLimits(stall_s=0.05))
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = desk.admin.post("/v1/people", content=chunks(0, forever=True), headers=form)
    assert "too slowly" in problem(answer, 408)["detail"]
    assert answer.headers["connection"] == "close"
    assert desk.nothing_is_kept()


def test_whoever_finds_no_slot_is_told_to_come_again(desk: PeopleDesk) -> None:
    limited(desk, 1, UploadLimits(slot_s=0.05))

    async def scene() -> None:
        async with desk.deps.uploads.slot(), desk.admin.open() as http:
            files = [("photos", ("a.jpg", b"x"))]
            answer = await http.post("/v1/people", data={"name": "Ann"}, files=files)
            assert "try again" in problem(answer, 503)["detail"]
            assert answer.headers["retry-after"]

    asyncio.run(scene())
    assert desk.enroll(jpeg(portrait("astronaut"))).status_code == 201, "the slot is free again"


async def chunks(*sizes: int, pause_s: float = 0.0, forever: bool = False) -> AsyncIterator[bytes]:
    for size in sizes:
        await asyncio.sleep(pause_s)
        yield bytes(size)
    if forever:
        await asyncio.Event().wait()


def taken(source: AsyncIterator[bytes], limits: UploadLimits, work_s: float = 0.0) -> int:
    async def take() -> int:
        count = 0
        async for chunk in _in_time(source, limits):
            count += len(chunk)
            await asyncio.sleep(work_s)
        return count

    return asyncio.run(asyncio.wait_for(take(), PATIENT_S))


def test_what_arrives_is_passed_on() -> None:
    assert taken(chunks(), UploadLimits()) == 0
    assert taken(chunks(5, 0, 7), UploadLimits()) == 12


def test_our_own_time_is_not_the_senders() -> None:
    assert taken(chunks(1, 1, 1), UploadLimits(grace_s=0.2), work_s=0.15) == 3


@pytest.mark.parametrize(
    ("sizes", "limits"),
    [
        ((), UploadLimits(stall_s=0.05)),
        ((10_000_000,), UploadLimits(stall_s=0.05)),
        ((), UploadLimits(grace_s=0.05)),
        ((10_000_000,), UploadLimits(longest_s=0.05)),
    ],
    ids=["nothing ever", "stalls after a lot", "slower than its bytes allow", "as long as nobody may"],
)
def test_a_sender_who_stalls_is_given_up(sizes: tuple[int, ...], limits: UploadLimits) -> None:
    with pytest.raises(ProblemError) as raised:
        taken(chunks(*sizes, forever=True), limits)
    assert raised.value.kind is TOO_SLOW


def test_a_steady_sender_has_the_time_that_its_bytes_need() -> None:
    limits = UploadLimits(grace_s=0.3, least_bytes_per_s=1000)
    assert taken(chunks(*[1000] * 10, pause_s=0.1), limits) == 10_000
