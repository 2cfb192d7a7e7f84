"""What the program knows of a network: two spellings, version, thresholds, and files that are the right ones."""

import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest

from mosaicast.adapters.detectors import make_detector, require_detector
from mosaicast.adapters.detectors.factory import enroll_score
from mosaicast.adapters.embedders import make_embedder
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.gallery.store import GalleryConfig
from mosaicast.adapters.models import Registry, load, profile_of
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.registry import FILE, Package
from mosaicast.contracts.analysis import SampledFrame
from mosaicast.contracts.streams import Policy
from mosaicast.pipeline.ports import Quality

LABELS = {
    "dlib-resnet": ("dlib_resnet", "55533b28a958.1", "faces-dlib_resnet-55533b28a958.1"),
    "facenet-casia": ("facenet_casia", "704afe26766c.1", "faces-facenet_casia-704afe26766c.1"),
    "mobilefacenet-512": ("mobilefacenet_512", "87aacdfe5751.1", "faces-mobilefacenet_512-87aacdfe5751.1"),
    "mobilefacenet-192": ("mobilefacenet_192", "d8ba40c0127f.1", "faces-mobilefacenet_192-d8ba40c0127f.1"),
}
"""Written down, not computed: galleries on people's disks have these names. Change one, and everybody must reindex."""


@pytest.mark.parametrize(("name", "kept"), LABELS.items())
def test_what_the_gallery_calls_a_network_stays_byte_for_byte(
    name: str, kept: tuple[str, str, str], tmp_path: Path
) -> None:
    found = profile_of(name)
    made = make_embedder(name, models_dir=tmp_path)
    for label, version in ((found.label, found.version), (made.name, made.version)):
        assert (label, version) == kept[:2]
        assert GalleryConfig(label, version, made.dimension, tmp_path).collection == kept[2]


def test_an_operators_network_is_called_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "arcface.onnx").write_bytes(b"weights")
    found = profile_of("arcface", tmp_path)
    assert (found.label, found.version) == ("arcface", f"{hashlib.sha256(b'weights').hexdigest()[:12]}.1")
    (tmp_path / "taguchi_face_recognition_resnet_model_v1.dat").write_bytes(b"weights")
    assert profile_of("taguchi_resnet", tmp_path).label == "taguchi_resnet"


@pytest.mark.parametrize("spelling", ["dlib-resnet", "dlib_resnet"])
def test_both_spellings_are_understood(spelling: str) -> None:
    assert profile_of(spelling) == profile_of("dlib-resnet")
    assert (profile_of(spelling).name, profile_of(spelling).label) == ("dlib-resnet", "dlib_resnet")


@pytest.mark.parametrize("kind", [DlibResnet, FacenetCasia])
def test_the_list_says_what_a_network_is_shown(kind: type[DlibResnet | FacenetCasia]) -> None:
    made = kind()
    found = profile_of(made.name)
    assert found.dimension == made.dimension
    assert found.input_size is not None


def test_from_what_looks_count_stands_in_the_list_and_goes_with_the_network(tmp_path: Path) -> None:
    entry = load().get("dlib-resnet")
    assert profile_of(entry).quality == Quality(), "nobody measured it: no rule"
    measured = Quality(votes_from=1.0, clear_from=1.2, like_before=0.3, like_own=0.6)
    (tmp_path / "registry.toml").write_text(
        FILE.read_text("utf-8").replace(
            "dimension = 128\n",
            "dimension = 128\nquality = { votes_from = 1.0, clear_from = 1.2, like_before = 0.3, like_own = 0.6 }\n",
            1,
        ),
        "utf-8",
    )
    found = profile_of(load(tmp_path / "registry.toml").get("dlib-resnet"))
    assert found.quality == measured
    assert DlibResnet(network=found).quality == measured


def test_the_thresholds_are_those_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = load().get("centerface")
    assert enroll_score() == 0.5
    changed = msgspec.structs.replace(detector, thresholds={"mask": 0.2, "enrol": 0.7})
    monkeypatch.setattr("mosaicast.adapters.detectors.factory.load", lambda: Registry((changed,)))
    assert enroll_score() == 0.7


def test_a_policy_masks_from_the_score_that_the_list_says() -> None:
    """Contracts know no adapters, so that the number stands in them too."""
    mask = load().get("centerface").thresholds["mask"]
    assert Policy().detection_threshold == mask
    fields = {field.name: field for field in msgspec.structs.fields(SampledFrame)}
    assert fields["detection_threshold"].default == mask


def test_a_file_with_another_checksum_has_no_profile(tmp_path: Path) -> None:
    model = load().get("dlib-resnet")
    wrong = msgspec.structs.replace(model, source=msgspec.structs.replace(model.source, sha256="0" * 64))
    with pytest.raises(ModelBrokenError, match="wrong checksum"):
        profile_of(wrong, tmp_path)


def test_mtcnns_files_are_held_to_their_checksums_before_the_library_reads_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = pytest.importorskip("facenet_pytorch", reason="needs the extra gpu")
    monkeypatch.setattr(library, "MTCNN", lambda **_: pytest.fail("it was read"))
    model = load().get("mtcnn")
    assert isinstance(model.source, Package)
    first, *others = model.source.files
    other = (msgspec.structs.replace(first, sha256="0" * 64), *others)
    changed = msgspec.structs.replace(model, source=msgspec.structs.replace(model.source, files=other))
    monkeypatch.setattr("mosaicast.adapters.models.profile.load", lambda: Registry((changed,)))
    with pytest.raises(ModelBrokenError, match=r"pnet\.pt has the wrong checksum"):
        make_detector("mtcnn", device="cpu")


def test_an_operators_detector_is_held_to_the_checksum_beside_it_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "faces.pt"
    weights.write_bytes(b"weights")
    assert require_detector("ultralytics", weights).path == weights
    (tmp_path / "faces.pt.sha256").write_text("0" * 64)
    monkeypatch.setattr(
        "mosaicast.adapters.detectors.ultralytics_yolo.import_library", lambda: pytest.fail("it was read")
    )
    with pytest.raises(ModelBrokenError, match=r"faces\.pt has the wrong checksum"):
        make_detector("ultralytics", weights=weights, device="cpu")


def test_a_detector_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    assert require_detector("centerface").name == "centerface"
    with pytest.raises(ModelUnavailableError, match="MOSAICAST_DETECTOR__WEIGHTS"):
        require_detector("ultralytics", tmp_path / "none.pt")


def test_right_weights_in_the_models_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(profile_of("centerface").path, tmp_path / "centerface.onnx")
    monkeypatch.setattr("mosaicast.adapters.models.files.weights_folder", lambda: tmp_path / "none")
    assert profile_of("centerface", tmp_path).path == tmp_path / "centerface.onnx"
