"""A broadcast without a network: everything works, nobody is called, and no media child has a secret."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from synthetic import presets
from tests.e2e.conftest import MakeClip, light

ROOT = Path(__file__).parents[2]


def namespace() -> list[str]:
    """Return the command that runs another one in a network namespace of its own."""
    own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [shutil.which("unshare") or "unshare", *own_user, "--net"]


def allowed() -> bool:
    try:
        return subprocess.run([*namespace(), "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not allowed(), reason="this machine gives no network namespaces")


@pytest.fixture(scope="module")
def seen(make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    clip = make_clip("offline", light(presets.small(["astronaut", "admiral"], seconds=8)))
    folder = tmp_path_factory.mktemp("offline")
    command = [*namespace(), sys.executable, "-m", "tests.e2e.offline", str(folder), str(clip)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MOSAICAST_TOKEN": "the command line's own"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told: Mapping[str, Any] = json.loads(done.stdout)
    return told


def test_the_witness_sees_calls(seen: Mapping[str, Any]) -> None:
    assert seen["trap"]


def test_nobody_is_called_and_nobody_is_shown(seen: Mapping[str, Any]) -> None:
    assert seen["strange"] == []
    assert seen["leaks"] == 0


SECRETS = {"MOSAICAST_EDGE__TOKEN", "MOSAICAST_API__ADMIN_TOKEN", "MOSAICAST_VAULT__KEY", "MOSAICAST_TOKEN"}
OF = {
    "api": {"MOSAICAST_EDGE__TOKEN", "MOSAICAST_API__ADMIN_TOKEN"},
    "ingest": {"MOSAICAST_EDGE__TOKEN"},
    "detector": set[str](),
    "recognizer": set[str](),
    "compositor": {"MOSAICAST_EDGE__TOKEN"},
    "edge": set[str](),
}


def test_services_have_their_own_secrets_and_what_runs_below_them_none(seen: Mapping[str, Any]) -> None:
    assert seen["children"] >= 2, "of ingest and of the compositor"
    assert seen["secrets"]["below"] == []
    assert {name: set(seen["secrets"][name]) & SECRETS for name in OF} == OF
