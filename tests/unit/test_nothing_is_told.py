"""No library that comes along tells its maker that, or where, it is used."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("base", "calibrate", "demo", "gpu", "dev")

_PLANTED = "open(__file__ + '.imported', 'w').close(); raise SystemExit('telemetry was imported')"
_CALLS = """
import sys
calls = []
NET = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
sys.addaudithook(lambda event, args: calls.append((event, str(args))) if event in NET else None)
import mosaicast.adapters.models.openvino_runtime, openvino, time
core = openvino.Core()
print(calls)
"""


def test_openvino_finds_no_telemetry_even_where_it_is_installed(tmp_path: Path) -> None:
    package = tmp_path / "openvino_telemetry"
    package.mkdir()
    (package / "__init__.py").write_text(_PLANTED)
    done = subprocess.run(
        [sys.executable, "-c", _CALLS], env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""}, cwd=tmp_path, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert not list(tmp_path.rglob("*.imported"))


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_files_install_no_telemetry(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    # Of OpenTelemetry only the interface comes along (FastAPI's), which does nothing by itself.
    senders = re.compile(r"^([\w.-]*-telemetry|opentelemetry-(sdk|exporter)|sentry|posthog|analytics)[\w.-]*==")
    lines = [line for line in text.splitlines() if senders.match(line)]
    assert lines, "the override is gone"
    assert [line for line in lines if "sys_platform == 'never'" not in line] == []


def test_fastapi_has_nothing_to_send_its_traces_with() -> None:
    """FastAPI traces itself when it finds an exporter of OpenTelemetry and an address in the environment."""
    names = {str(found.metadata["Name"]).lower() for found in importlib.metadata.distributions()}
    assert not [name for name in names if name.startswith("opentelemetry-exporter")]
    assert "opentelemetry-sdk" not in names
