"""Places where HLS goes: a folder of this machine, and an edge that takes it by HTTP. What a test can ask of both."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaicast.adapters.media.hls_folder import HlsFolder
from mosaicast.adapters.media.hls_http import HlsHttp
from services.cli.edge import EdgeMissingError
from tests.adapters.rtmp_edge import Edge, running_edge
from tests.files import files_under


@dataclass(frozen=True)
class Place:
    """A store and the folder in which its files end."""

    store: HlsFolder | HlsHttp
    root: Path

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in files_under(self.root) if path.name != ".claim"}


@contextmanager
def edge_or_skip(folder: Path, hls_folder: Path | None = None, hls_token: str = "h") -> Iterator[Edge]:
    """Run a real edge."""
    try:
        with running_edge(folder, hls_folder=hls_folder, hls_token=hls_token) as edge:
            yield edge
    except EdgeMissingError as exc:
        pytest.skip(str(exc))


@contextmanager
def store_on(edge: Edge, token: str | None = None, timeout_s: float = 5.0) -> Iterator[HlsHttp]:
    """Reach an edge's store."""
    store = HlsHttp(control(edge), edge.hls_token if token is None else token, timeout_s=timeout_s)
    try:
        yield store
    finally:
        store.close()


def control(edge: Edge) -> str:
    return f"http://127.0.0.1:{edge.config.control_port}"


@contextmanager
def place(kind: str, working: Path, root: Path) -> Iterator[Place]:
    """Make a store of one of `KINDS`, whose files end in `root`."""
    if kind == "folder":
        yield Place(HlsFolder(root), root)
        return
    with edge_or_skip(working, root) as edge, store_on(edge) as store:
        yield Place(store, root)


KINDS = ("folder", "edge")


@contextmanager
def small_disk(mounted_at: Path) -> Iterator[Path]:
    """Mount a disk of one megabyte."""
    mounted_at.mkdir()
    done = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mounted_at)], check=False, capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("a tmpfs can't be mounted here")
    try:
        yield mounted_at
    finally:
        subprocess.run(["umount", str(mounted_at)], check=True)
