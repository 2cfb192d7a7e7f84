"""Every embedder by its name."""

import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from mosaicast.adapters.embedders import make_embedder
from mosaicast.adapters.embedders.arcface import ArcFace
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.models import load, profile_of, torch_device
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.runtime import on_torch
from mosaicast.adapters.models.torch_device import Device


def make(name: str, folder: Path) -> object:
    return make_embedder(name, models_dir=folder)


@pytest.mark.parametrize("name", ["dlib-resnet", "dlib_resnet"])
def test_dlibs_network(name: str, tmp_path: Path) -> None:
    made = make(name, tmp_path)
    assert isinstance(made, DlibResnet)
    assert (made.name, made.dimension) == ("dlib_resnet", 128)
    assert made.version == DlibResnet().version


def test_facenet(tmp_path: Path) -> None:
    made = make("facenet-casia", tmp_path)
    assert isinstance(made, FacenetCasia)
    assert (made.name, made.dimension) == ("facenet_casia", load().get("facenet-casia").dimension)


@pytest.mark.parametrize("name", ["mobilefacenet-512", "mobilefacenet_192"])
def test_the_mobilefacenets(name: str, tmp_path: Path) -> None:
    made, entry = make(name, tmp_path), load().get(name)
    assert isinstance(made, ArcFace)
    assert (made.name, made.dimension, made.quality) == (entry.label, entry.dimension, entry.quality)
    assert made.quality.votes_from is not None


def test_the_list_says_which_precision_a_network_may_run_in_unless_one_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("mosaicast.adapters.models.runtime.on_cpu", asked.append)
    monkeypatch.setattr("mosaicast.adapters.embedders.factory._made", lambda network, _: network)
    for name in ("dlib-resnet", "facenet-casia", "mobilefacenet-512", "mobilefacenet-192"):
        make_embedder(name, models_dir=tmp_path)
    assert asked == ["f32", "f32", "auto", "auto"]
    make_embedder("mobilefacenet-512", models_dir=tmp_path, precision="f32")
    assert asked[-1] == "f32"


@pytest.mark.parametrize("name", ["dlib-resnet", "facenet-casia", "mobilefacenet-512", "mobilefacenet-192"])
@pytest.mark.parametrize(
    ("device", "runtime"), [("auto without", "openvino"), ("cpu", "openvino"), ("auto", "torch"), ("cuda", "torch")]
)
def test_every_network_runs_where_the_settings_say(
    name: str, device: str, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(monkeypatch, cuda=device != "auto without")
    made = make_embedder(name, models_dir=tmp_path, device=cast("Device", device.removesuffix(" without")))
    assert made.placement.runtime == runtime
    assert made.version == make_embedder(name, models_dir=tmp_path).version, "they share templates"


def test_cuda_without_cuda_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine_with(monkeypatch, cuda=False)
    with pytest.raises(ModelUnavailableError, match="CUDA"):
        make_embedder("facenet-casia", models_dir=tmp_path, device="cuda")


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_file_with_what_torch_does_not_know_runs_on_the_cpu_unless_cuda_is_a_must(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(monkeypatch, cuda=True)
    monkeypatch.setattr("mosaicast.adapters.models.torch_runtime.OPERATIONS", {})
    if device == "auto":
        assert make_embedder("dlib-resnet", models_dir=tmp_path, device=device).placement.runtime == "openvino"
        return
    with pytest.raises(ModelUnavailableError, match=r"Add, AvgPool, Convert.* run it on the CPU"):
        make_embedder("dlib-resnet", models_dir=tmp_path, device=device)


def machine_with(monkeypatch: pytest.MonkeyPatch, *, cuda: bool) -> None:
    """Pretend that this machine has a GPU, or has none; what would run on it runs in torch on the CPU."""
    torch = pytest.importorskip("torch", reason="needs the extra gpu")
    monkeypatch.setattr(torch_device, "_DRIVERS", ("/",) if cuda else ())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr("mosaicast.adapters.models.runtime.on_torch", lambda _: on_torch("cpu"))


def test_other_weights_of_dlibs_architecture(tmp_path: Path) -> None:
    shutil.copy(profile_of("dlib-resnet").path, tmp_path / "taguchi_face_recognition_resnet_model_v1.dat")
    made, original = make("taguchi-resnet", tmp_path), DlibResnet()
    assert isinstance(made, DlibResnet)
    assert made.name == "taguchi_resnet"
    noise = np.random.default_rng(1).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    np.testing.assert_array_equal(made.embed_chip(noise), original.embed_chip(noise))


def test_a_file_that_is_no_network_of_dlib_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taguchi_face_recognition_resnet_model_v1.dat").write_bytes(b"x" * 1000)
    with pytest.raises(ModelBrokenError):
        make("taguchi-resnet", tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("senet", "there is no model 'senet'"),
        ("centerface", "is a detector"),
        ("taguchi-resnet", "unpack taguchi"),
        ("sface", "mosaicast models pull sface"),
        ("arcface", "put your ONNX file there"),
        ("facenet-vggface2", "nothing here runs it yet"),
    ],
)
def test_what_cannot_be_had_says_why(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=words):
        make(name, tmp_path)
