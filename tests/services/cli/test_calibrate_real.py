"""`mosaicast calibrate` as it is run: real models on packaged photographs, and hostile files."""

import importlib.util
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import pytest
from PIL import Image
from typer.testing import CliRunner

from mosaicast.adapters.media.photo_file import PhotoError
from mosaicast.adapters.media.photos import LARGEST_PHOTO_BYTES, PhotoDecoder
from mosaicast.runtime.children import ForkServer
from services.cli.calibration.photos import PhotoReader
from services.cli.main import app
from synthetic.cast import load_cast


def mosaicast(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", "calibrate", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), "COLUMNS": "200"},
    )


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packaged people, three pictures each, and hostile files among them."""
    folder = tmp_path_factory.mktemp("cast")
    for name in ("astronaut", "admiral"):
        photo = load_cast()[name].photo
        (folder / name).mkdir()
        for number, picture in enumerate((photo, photo[:, ::-1], cv2.convertScaleAbs(photo, alpha=0.7))):
            cv2.imwrite(str(folder / name / f"{number}.jpg"), picture)
    (folder / "admiral" / "cut.jpg").write_bytes((folder / "admiral" / "0.jpg").read_bytes()[:3000])
    (folder / "admiral" / "empty.png").write_bytes(b"")
    (folder / "admiral" / "page.jpg").write_text("<svg/>")
    os.mkfifo(folder / "admiral" / "pipe.jpg")
    return folder


@pytest.mark.parametrize(
    ("model", "networks"),
    [
        ("dlib", ("dlib_resnet",)),
        ("mobilefacenet-512,mobilefacenet-192", ("mobilefacenet_512", "mobilefacenet_192")),
    ],
)
def test_packaged_networks_on_packaged_people(
    cast: Path, tmp_path: Path, model: str, networks: tuple[str, ...]
) -> None:
    done = mosaicast(str(cast), "--model", model, "--json", "--out", str(tmp_path / "o"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pictures"] == {"ok": 6, "unreadable": 3}
    assert {name: one["true_match_rate"] for name, one in found["networks"].items()} == dict.fromkeys(networks, 1.0)
    assert Path(found["report"]).is_file()


def test_detection_of_packaged_people(cast: Path, tmp_path: Path) -> None:
    photo = load_cast()["astronaut"].photo
    cv2.imwrite(str(tmp_path / "a.png"), photo)
    truth = {"images": [{"file": "a.png", "faces": [{"box_xywh": [180, 72, 90, 109]}]}]}
    (tmp_path / "annotations.json").write_text(json.dumps(truth))
    done = mosaicast("--detection", str(tmp_path), "--out", str(tmp_path / "o"))
    assert done.returncode == 0, done.stderr
    assert "To mask, " in done.stdout
    assert "recall 100.0%" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("/nowhere",), 1, "not a folder"),
        (("/nowhere", "--model", "arcface:/nowhere/x.onnx"), 1, "is not there"),
        (("/nowhere", "--model", "magic"), 2, "choose of dlib-resnet"),
        (("/nowhere", "--model", "dlib,magic"), 2, "choose of dlib-resnet"),
        (("/nowhere", "--model", "sface"), 1, "mosaicast models pull sface"),
        (("/nowhere", "--fmr", "0"), 2, "between 0 and 1"),
        (("/nowhere", "--detection", "--pairs", "p.csv"), 2, "choose one"),
    ],
)
def test_a_mistake_is_one_plain_sentence(arguments: tuple[str, ...], status: int, sentence: str) -> None:
    done = mosaicast(*arguments)
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("library", ["matplotlib", "scipy", "sklearn"])
def test_without_its_libraries_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else there(name))
    done = CliRunner().invoke(app, ["calibrate", str(tmp_path)])
    assert done.exit_code == 1
    assert "scripts/setup --calibrate, or pip install 'mosaicast[calibrate]'" in done.stderr


# --- reading pictures -----------------------------------------------------------------------------------------


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def bomb() -> bytes:
    """A PNG that says it has 60000 x 60000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IEND\xaeB`\x82"


SMALL = Image.new("RGB", (40, 20), (200, 100, 50))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"GIF89a", "GIF pictures can't be read"),
        (saved(SMALL, "GIF"), "GIF pictures can't be read"),
        (saved(SMALL, "JPEG")[:300], "broken|no photo"),
        (saved(SMALL, "PNG")[:-40], "broken"),
        (bomb(), "megapixels|too many pixels"),
        (saved(SMALL, "WEBP", save_all=True, append_images=[Image.new("RGB", (40, 20))]), "animated"),
        (b"\xff\xd8" + bytes(LARGEST_PHOTO_BYTES), "more than 20 MB"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    with pytest.raises(PhotoError, match=sentence):
        PhotoReader(PhotoDecoder(ForkServer(["mosaicast.adapters.media.photos"]))).read(path)


def test_a_picture_is_read_upright_and_its_scale_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = Image.new("RGB", (4000, 1000), (200, 100, 50))
    (tmp_path / "x.png").write_bytes(saved(tall, "JPEG", exif=exif))
    photo = PhotoReader(PhotoDecoder(ForkServer(["mosaicast.adapters.media.photos"]))).read(tmp_path / "x.png")
    assert photo.picture.shape == (1600, 400, 3)
    assert photo.scale == pytest.approx(0.4)
    assert photo.picture[800, 200].tolist() == pytest.approx([50, 100, 200], abs=4), "blue first"
