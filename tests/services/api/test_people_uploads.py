"""What is sent to enroll somebody: read part by part, bounded, and nothing kept of what is no photo."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mosaicast.adapters.database.storage import Storage
from mosaicast.adapters.media.photos import LARGEST_PHOTO_BYTES
from tests.services.api.fakes import problem
from tests.services.api.people_tools import PeopleDesk, jpeg, portrait

FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> PeopleDesk:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    return desk


def as_kind(kind: str, **options: Any) -> bytes:
    image = Image.fromarray(portrait("astronaut")[:, :, ::-1])
    data = io.BytesIO()
    image.convert(options.pop("mode", "RGB")).save(data, kind, **options)
    return data.getvalue()


def animated(kind: str) -> bytes:
    return as_kind(kind, save_all=True, append_images=[Image.new("RGB", (512, 512))])


def bomb() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9_999)))


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (b"", 422, "broken|empty|no photo"),
        (as_kind("JPEG")[:3000], 422, "broken"),
        (bomb(), 413, "pixels"),
        (animated("GIF"), 422, "GIF"),
        (animated("PNG"), 422, "animated"),
        (animated("WEBP"), 422, "animated"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "drawing"),
        (b"\0\0\0\x18ftypheic" + bytes(99), 422, "HEIC"),
        (bytes(50_000_000), 413, "20 MB"),
        (bytes(LARGEST_PHOTO_BYTES + 1), 413, "20 MB"),
        (bytes(LARGEST_PHOTO_BYTES), 422, "no photo"),
    ],
    ids=["empty", "truncated", "bomb", "gif", "apng", "webp", "svg", "heic", "50 MB", "just too large", "just not"],
)
def test_what_is_no_photo_is_refused_with_a_sentence_and_nothing_is_kept(
    desk: PeopleDesk, data: bytes, status: int, says: str
) -> None:
    told = problem(desk.enroll(("a.jpg", data)), status)
    assert told["detail"].startswith("no photo can be used; a.jpg: ")
    verdict = told["photos"][0]
    assert verdict["verdict"] == ("too_large" if status == 413 else "unreadable")
    assert any(word in verdict["detail"] for word in says.split("|"))
    assert desk.nothing_is_kept()
    assert desk.producer.sent == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cmyk.jpg", as_kind("JPEG", mode="CMYK")),
        ("phone.heic", as_kind("HEIF")),
        ("web.avif", as_kind("AVIF")),
        ("scan.tiff", as_kind("TIFF")),
        ("old.bmp", as_kind("BMP")),
        ("grey.png", as_kind("PNG", mode="L")),
        ("png-named.jpg", as_kind("PNG")),
        ("webp-named.png", as_kind("WEBP")),
        ("without", as_kind("JPEG")),
        ("../../etc/passwd", as_kind("JPEG")),
        ("얼굴 \U0001f600.jpg", as_kind("JPEG")),
    ],
)
def test_unusual_photos_are_used(desk: PeopleDesk, name: str, data: bytes) -> None:
    answer = desk.enroll((name, data))
    assert answer.status_code == 201, answer.text
    assert answer.json()["photos"][0]["file"] == name


def test_a_bad_photo_among_good_ones_is_left_out(desk: PeopleDesk) -> None:
    answer = desk.enroll(jpeg(portrait("astronaut")), bytes(LARGEST_PHOTO_BYTES + 1), b"GIF89a").json()
    assert [photo["verdict"] for photo in answer["photos"]] == ["ok", "too_large", "unreadable"]


def test_large_files_are_not_held(desk: PeopleDesk) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'

    async def twenty_of_20_mb() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield part
            for _ in range(300):
                yield bytes(70_000)
            yield b"\r\n"
        yield b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nAnn\r\n--x--\r\n'

    tracemalloc.start()
    told = problem(desk.admin.post("/v1/people", content=twenty_of_20_mb(), headers=FORM), 413)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(told["photos"]) == 20
    assert peak < 64 * 1024 * 1024


def test_nobody_without_the_token_gets_a_byte_read(desk: PeopleDesk) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield bytes(70_000)

    problem(desk.anyone.post("/v1/people", content=body(), headers=FORM), 401)
    assert read <= 1


@pytest.mark.parametrize("count", [0, 21])
def test_1_to_20_photos(desk: PeopleDesk, count: int) -> None:
    told = problem(desk.enroll(*[b"x"] * count), 422 if count else 415)
    assert "20 photos" in told["detail"] or "form" in told["detail"]
    files = [("photos", ("a", b"x"))] * count or [("other", ("a", b""))]
    problem(desk.admin.post("/v1/people", data={"name": "Ann"}, files=files), 422)
    assert desk.nothing_is_kept()


def test_of_more_than_20_it_is_said_which_to_leave_out(desk: PeopleDesk) -> None:
    good, bad = jpeg(portrait("astronaut")), b"GIF89a"
    named = [(f"{i}.jpg", bad if i == 3 else good) for i in range(1, 23)]
    told = problem(desk.enroll(*named), 422)
    assert told["detail"] == (
        "at most 20 photos, and these are 22; leave out 3.jpg (unreadable) and 22.jpg, the useless and the last"
    )
    assert desk.nothing_is_kept()


def test_twenty_photos_are_taken(desk: PeopleDesk) -> None:
    answer = desk.enroll(*[jpeg(portrait("astronaut"))] * 2, *[b"x"] * 18)
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["photos"]) == 20


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "name"),
        ({"name": "a" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"owner": "a b"}, "owner"),
        ({"colour": "red"}, "colour"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2030-12-31"}, "expires_at"),
        ({"expires_at": "2030-12-31T10:00:00"}, "expires_at"),
        ({"expires_at": "1893456000"}, "expires_at"),
        ({"expires_at": "2030-13-31T10:00:00Z"}, "expires_at"),
        ({"expires_at": "1066-10-14T10:00:00Z"}, "1970"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "passed"),
        ({"name": "x" * 20_000}, "too long"),
    ],
)
def test_fields_that_are_wrong_enroll_nobody(desk: PeopleDesk, fields: dict[str, str], says: str) -> None:
    told = desk.enroll(jpeg(portrait("astronaut")), video=None, **fields)
    assert says in problem(told, 413 if says == "too long" else 422)["detail"]
    assert desk.nothing_is_kept()


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"", 415),
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "multipart/form-data"}, b"", 415),
        (FORM, b"", 422),
        (FORM, b"nonsense", 422),
        (FORM, b"--x\r\n", 422),
        (FORM, b"--x--\r\n", 422),
        (FORM, b"--x\r\nContent-Disposition: form-data; name=photos; filename=a\r\n\r\nabc", 422),
        (FORM, b"--x\r\n" + b"A" * 9000 + b": b\r\n\r\n\r\n--x--\r\n", 422),
        (FORM, b"--x\r\nno colon\r\n\r\n\r\n--x--\r\n", 422),
        (FORM, b"--x\r\n\r\nwithout a name\r\n--x--\r\n", 422),
        (FORM, (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n") * 101 + b"--x--\r\n", 422),
    ],
)
def test_broken_forms_are_refused(desk: PeopleDesk, headers: dict[str, str], body: bytes, status: int) -> None:
    problem(desk.admin.post("/v1/people", content=body, headers=headers), status)
    assert desk.nothing_is_kept()


def test_small_bodies_only_below_people(desk: PeopleDesk) -> None:
    told = desk.anyone.patch("/v1/people/p", content=bytes(2_000_000), headers={"Content-Type": "application/json"})
    problem(told, 413)


def test_no_photo_lies_readable_in_a_temporary_file(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a file of the framework's")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.__init__", fail)
    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    desk.enrolled(as_kind("PNG") + bytes(2_000_000))
