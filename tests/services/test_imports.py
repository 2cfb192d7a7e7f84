"""What a process does not need it does not wait for at its start: a heavy package is 0.05 to 0.5 s of CPU in each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "PIL", "alembic", "av", "confluent_kafka", "cv2", "fastapi", "grpc", "httpx", "matplotlib", "numpy", "openvino",
    "prometheus_client", "pydantic_settings", "pygments", "qdrant_client", "scipy", "sqlalchemy", "torch",
)  # fmt: skip
ASK = f"import sys, json; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
EVERY_SERVICE = {"confluent_kafka", "prometheus_client", "pydantic_settings"}
ALLOWED = {
    "services.ingest.__main__": EVERY_SERVICE,
    "services.compositor.__main__": EVERY_SERVICE,
    "services.detector.__main__": EVERY_SERVICE | {"cv2", "numpy"},  # and what runs the chosen network
    "services.recognizer.__main__": EVERY_SERVICE | {"cv2", "numpy"},  # and openvino on its worker's thread
    # pygments: httpx has a command of its own, and loads it.
    "services.api.__main__": EVERY_SERVICE | {"PIL", "cv2", "fastapi", "httpx", "numpy", "pygments", "sqlalchemy"},
    "services.cli.stack": EVERY_SERVICE,
    # Children: what the fork server imports for them.
    "services.ingest.child": {"av", "cv2", "numpy"},
    "services.compositor.child": {"av", "cv2", "numpy"},
    "mosaicast.adapters.media.photos": {"PIL", "numpy", "prometheus_client"},
}
"""By module that a process begins with, what it may load. It decodes, analyses, serves or asks with that."""
FOLDER = """
from pathlib import Path
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
import numpy as np
with_a = QdrantGallery(GalleryConfig("m", "1", 2, Path({path!r}), url={url!r}))
"""
USED = 'with_a.upsert_templates("me", "ana", np.eye(2, dtype=np.float32)); assert with_a.refresh("me")\n'
DATABASE = """
from mosaicast.adapters.database.storage import Storage
storage = Storage({url!r})
storage.migrate()
storage.require_current()
"""
CHECKED = """
from services.cli.models import require_chosen
from mosaicast.runtime.settings import load
require_chosen(load())
"""


def imported(program: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", program + ASK], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ALLOWED)
def test_a_process_loads_what_it_works_with_and_nothing_else(module: str) -> None:
    assert imported(f"import {module}\n") - ALLOWED[module] == set()


def test_a_folder_needs_no_client_and_a_server_does(tmp_path: Path) -> None:
    assert "qdrant_client" not in imported(FOLDER.format(path=str(tmp_path), url=None) + USED)
    assert "qdrant_client" in imported(FOLDER.format(path=str(tmp_path), url="http://127.0.0.1:1"))


def test_tables_of_this_version_need_no_migrations(tmp_path: Path) -> None:
    program = DATABASE.format(url=f"sqlite:///{tmp_path / 'mosaicast.db'}")
    assert "alembic" in imported(program)
    assert "alembic" not in imported(program)


def test_whether_the_networks_are_there_is_asked_without_running_any() -> None:
    assert imported(CHECKED) & {"av", "cv2", "httpx", "openvino", "torch"} == set()
