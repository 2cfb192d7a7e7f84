"""Vectors and keys that are planted are looked for in all that leaves the recognizer's memory.

Real galleries in a folder, the real service and worker, messages encoded as for Kafka, logs, metrics, files.
"""

import base64
import io
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest

from mosaicast.adapters.embedders import Embedded, Face, Quality
from mosaicast.adapters.embedders.cohort import CohortScorer
from mosaicast.adapters.gallery.folder import Folder
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
from mosaicast.adapters.gallery.seal import Seal, _derived
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.contracts.codec import encode
from mosaicast.contracts.messages import GalleryChanged, Message
from mosaicast.contracts.topics import TOPICS, Topic
from mosaicast.core.types import OwnerId, Reason, TrackId
from mosaicast.runtime import logs
from services.recognizer.policy import EmbeddingRequest, FaceMatcher, RecentVectors
from services.recognizer.worker import CHECK_S
from tests.fakes.bus import FakeProducer
from tests.services.recognizer.fakes import face
from tests.services.recognizer.fakes import spec as stream_spec
from tests.services.recognizer.test_service import Stage, clear

ME = OwnerId("o1")
ANA, STRANGER, FAILING, BUG = 100, 60, 200, 230
KEY = bytes(np.random.default_rng(99).integers(1, 256, 32, np.uint8))
DIMENSION = 128


def planted(grey: int, network: int) -> np.ndarray:
    """The vector of length 1 that a network has for a grey."""
    drawn = np.random.default_rng([grey, network]).normal(size=DIMENSION)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


class Planter:
    """A network whose vectors are known beforehand, and whose errors quote them."""

    version, dimension = "1", DIMENSION

    def __init__(self, network: int) -> None:
        self.name, self.network = f"planter-{network}", network
        self.embedded: list[int] = []

    in_batches, quality = False, Quality()

    def embed(self, faces: Sequence[Face]) -> Embedded:
        greys = [round(float(one.picture.mean())) for one in faces]
        self.embedded += greys
        vectors = np.stack([planted(grey, self.network) for grey in greys])
        if FAILING in greys:
            raise InferenceError(f"no good: {vectors.tolist()}")
        if BUG in greys:
            raise ValueError(f"bug: {KEY!r} {vectors.tolist()} {vectors.tobytes().hex()}")
        return Embedded(vectors, np.ones(len(greys), np.float32))


class EncodingProducer(FakeProducer):
    """Keeps the bytes that Kafka would get."""

    def __init__(self) -> None:
        super().__init__()
        self.sent_bytes = b""

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        self.sent_bytes += encode(topic, message) + str(key).encode()
        return super().send(topic, message, key=key)


class Scene(Stage):
    """The service with a worker whose galleries are real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(monkeypatch)
        self.folder, self.written = folder, io.StringIO()
        self.planters = [Planter(1), Planter(2)]
        self.configs = [
            GalleryConfig(
                planter.name, "1", DIMENSION, folder / "gallery", key=KEY, scorer=CohortScorer(0.9), patience_s=0.05
            )
            for planter in self.planters
        ]
        self.matchers = [
            FaceMatcher(planter, QdrantGallery(config))
            for planter, config in zip(self.planters, self.configs, strict=True)
        ]
        self.producer: EncodingProducer = EncodingProducer()
        self.service._producer = self.producer
        self.specs.put(stream_spec())

    def enroll(self, person: str, grey: int) -> None:
        for planter, config in zip(self.planters, self.configs, strict=True):
            QdrantGallery(config).upsert_templates(ME, person, planted(grey, planter.network)[None])
        self.changed()

    def erase(self, person: str) -> None:
        for config in self.configs:
            QdrantGallery(config).delete_person(ME, person)
        self.changed()

    def changed(self) -> None:
        self.changes.put(GalleryChanged(owner_id=ME, revision=1), ME)

    def left(self) -> bytes:
        """All that is outside of the memory by now."""
        files = [path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return b"\0".join(
            [self.producer.sent_bytes, self.written.getvalue().encode(), generate_latest(self.metrics.registry), *files]
        )


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scene:
    scene = Scene(monkeypatch, tmp_path / "data")
    for stream in ("stderr", "stdout"):
        monkeypatch.setattr(sys, stream, scene.written)
    logs.configure("recognizer", level="DEBUG")
    return scene


def texts_of(content: bytes) -> list[bytes]:
    """How bytes may be written: as they are, as hex, as base64 from any place on."""
    found = [content, content.hex().encode(), content.hex().upper().encode()]
    for start in range(3):
        whole = content[start:]
        found.append(base64.b64encode(whole[: len(whole) // 3 * 3]))
    return found + [text.replace(b"+", b"-").replace(b"/", b"_") for text in found[3:]]


def traces_of(vector: np.ndarray) -> list[bytes]:
    """How a part of a vector may be written, one number at least."""
    found = []
    for at in (0, 31, DIMENSION - 4):
        part = vector[at : at + 4]
        for form in ("<f4", ">f4", "<f8", ">f8"):
            found += texts_of(part.astype(form).tobytes())
        for number in part:
            found += [struct.pack(form, float(number)) for form in ("<d", ">d")]
            found += [repr(float(number))[:10].encode(), f"{number:.6f}".encode(), f"{number:.8e}"[:9].encode()]
    return found


def traces_of_key(key: bytes) -> list[bytes]:
    return [*texts_of(key), *texts_of(key[:16]), repr(key)[2:40].encode(), str(list(key))[1:40].encode()]


def assert_nothing_in(everything: bytes, greys: Sequence[int] = (ANA, STRANGER, FAILING, BUG)) -> None:
    for grey in greys:
        for network in (1, 2):
            assert [trace for trace in traces_of(planted(grey, network)) if trace in everything] == []
    for key in (KEY, _derived(KEY, b"mosaicast gallery 1", 32)):
        assert [trace for trace in traces_of_key(key) if trace in everything] == []


def held(config: GalleryConfig) -> dict[str, np.ndarray]:
    """Everybody in a gallery, read with the key. There is one owner."""
    assert len(list(config.path.iterdir())) == 1
    copy = Folder(config)._read(ME)
    return dict(zip(copy.people, np.split(copy.vectors, copy.starts)[1:], strict=True))


@pytest.mark.parametrize(
    "written",
    [
        lambda vector: vector.tobytes(),
        lambda vector: b"x" + base64.b64encode(b"?" + vector.tobytes()),
        lambda vector: vector.astype("<f8").tobytes().hex().encode(),
        lambda vector: repr(vector).encode(),
        lambda vector: str(vector.tolist()).encode(),
        lambda vector: str(Seal(None, "c", DIMENSION).close("o", "p", "1", vector[None])).encode(),
    ],
    ids=["bytes", "base64", "hex", "numpy", "list", "plain template"],
)
def test_what_is_looked_for_would_be_found(written: Callable[..., Any]) -> None:
    with pytest.raises(AssertionError):
        assert_nothing_in(b"abc" + written(planted(STRANGER, 2)) + b"def")


def test_a_key_would_be_found() -> None:
    for written in (KEY, KEY.hex().encode(), base64.b64encode(KEY), repr(KEY).encode()):
        with pytest.raises(AssertionError):
            assert_nothing_in(b"abc" + written + b"def")


def test_a_broadcast_leaves_nothing_but_the_enrolled_in_the_gallery(scene: Scene) -> None:
    scene.enroll("ana", ANA)
    people = [face(100, ANA), face(600, STRANGER), face(900, FAILING)]
    assert clear(scene.watch(15, *people)[-1]) == [True, False, False], "it does recognise"
    for planter, greys in zip(scene.planters, ({ANA, STRANGER, FAILING}, {ANA}), strict=True):
        assert set(planter.embedded) >= greys, "the strangers were embedded"
    assert "no_embedding" in scene.written.getvalue(), "the log is not looked at"
    assert b"mosaicast_embeddings_total" in scene.left()
    assert scene.producer.topics == {"verdicts", "status"}
    assert {topic.name for topic in TOPICS} > {"verdicts", "status"}
    assert_nothing_in(scene.left())
    for network, config in enumerate(scene.configs, 1):
        everybody = held(config)
        assert everybody.keys() == {"ana"}
        np.testing.assert_array_equal(everybody["ana"], planted(ANA, network)[None])


def test_a_gallery_that_fails_in_every_way_leaves_nothing(scene: Scene) -> None:
    scene.enroll("ana", ANA)
    assert clear(scene.watch(12, face(100, ANA), face(600, STRANGER))[-1]) == [True, False]
    files = [path for path in scene.folder.rglob("templates.sqlite") if path.is_file()]
    contents = [file.read_bytes() for file in files]
    for damage in (b"", b"garbage" * 100, contents[0][:-40] + bytes(40), None):
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(damage if damage is not None else content[: len(content) // 2])
        scene.changed()
        assert not any(clear(verdict)[0] for verdict in scene.watch(10, face(100, ANA), face(600, STRANGER))[1:])
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    scene.matchers = [
        FaceMatcher(matcher.embedder, QdrantGallery(replace(config, key=bytes(32))))
        for matcher, config in zip(scene.matchers, scene.configs, strict=True)
    ]
    verdict = scene.watch(10, face(100, ANA), face(600, STRANGER))[-1]
    assert [track.reason for track in verdict.tracks] == [Reason.GALLERY_UNAVAILABLE] * 2
    assert "wrong_key" in scene.written.getvalue()
    assert_nothing_in(scene.left())


def test_erased_on_a_running_stream_nothing_is_left(scene: Scene) -> None:
    scene.enroll("ana", ANA)
    assert clear(scene.watch(12, face(100, ANA), face(600, STRANGER))[-1]) == [True, False]
    scene.erase("ana")
    assert clear(scene.watch(12, face(100, ANA), face(600, STRANGER))[-1]) == [False, False]
    assert_nothing_in(scene.left())
    assert all(held(config) == {} for config in scene.configs)
    files = b"".join(path.read_bytes() for path in scene.folder.rglob("*") if path.is_file())
    assert b"ana" not in files


def test_a_bug_that_quotes_a_vector_is_logged_by_place_only(scene: Scene) -> None:
    scene.worker._make_matchers = lambda: scene.matchers
    scene.worker.ask([EmbeddingRequest("s1", 1, TrackId(1), 1, ME, face(100, BUG))])
    scene.worker._run()
    assert scene.worker.failure == "ValueError"
    assert "embedding_worker_failed" in scene.written.getvalue()
    assert "test_secrecy.py" in scene.written.getvalue(), "where the bug is"
    assert BUG in scene.planters[0].embedded
    assert_nothing_in(scene.left())


def test_vectors_of_strangers_are_forgotten_when_nobody_comes_any_more(scene: Scene) -> None:
    scene.enroll("ana", ANA)
    scene.watch(3, face(600, STRANGER))
    recent = scene.matchers[0].recent
    assert len(recent) == 1
    scene.clock.now_s += RecentVectors.LIFE_S + CHECK_S
    scene.work()
    assert len(recent) == 0
