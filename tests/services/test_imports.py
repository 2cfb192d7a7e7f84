"""What a service does not need it does not wait for at its start."""

import subprocess
import sys
from pathlib import Path

import pytest

ASK = "import sys; print(sorted({name.partition('.')[0] for name in sys.modules} & {'qdrant_client', 'grpc'}))"
FOLDER = """
from pathlib import Path
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
import numpy as np
with_a = QdrantGallery(GalleryConfig("m", "1", 2, Path({path!r}), url={url!r}))
"""
USED = 'with_a.upsert_templates("me", "ana", np.eye(2, dtype=np.float32)); assert with_a.refresh("me")\n'


def imported(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program + ASK], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("service", ["api", "recognizer"])
def test_who_keeps_templates_in_a_folder_loads_no_client_of_a_server(service: str) -> None:
    """It takes half a second."""
    assert imported(f"import services.{service}.__main__\n") == "[]\n"


def test_a_folder_needs_no_client_and_a_server_does(tmp_path: Path) -> None:
    assert imported(FOLDER.format(path=str(tmp_path), url=None) + USED) == "[]\n"
    assert "qdrant_client" in imported(FOLDER.format(path=str(tmp_path), url="http://127.0.0.1:1"))
