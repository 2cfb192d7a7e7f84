"""A whole Mosaicast on free ports, with a synthetic cast: what the demo, the bench and the end-to-end tests run on."""

import contextlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from services.cli.client import ApiClient
from services.cli.stack import Stack
from synthetic.cast import Person, jpeg
from synthetic.oracle import Judgement, Oracle, is_clear, is_leaked
from synthetic.playback import BeepFinder, PlaybackReport, Watcher
from synthetic.processes import children_of
from synthetic.publisher import Publisher
from synthetic.viewer import SeenFrame, Viewer, ViewerError

_POLL_S = 0.05
_ASK_S = 5.0


@dataclass(frozen=True, slots=True)
class LiveStream:
    """A stream that was created, with its key."""

    stream_id: str
    key: str
    rtmp_url: str
    hls_url: str


class Session:
    """Calls a running stack as a user does.

    Args:
        stack: started.
        api: with the administrator's token.
        folder: for photos.
    """

    def __init__(self, stack: Stack, api: ApiClient, folder: Path) -> None:
        self.stack, self.api, self._folder = stack, api, folder
        self._photos = count(1)

    def create(self, name: str, source: dict[str, str] | None = None, *, owner: str = "default") -> LiveStream:
        """Create a stream."""
        body: dict[str, Any] = {"name": name, "owner": owner}
        if source is not None:
            body["source"] = source
        made = self.api.post("/v1/streams", body)
        return LiveStream(made["stream_id"], made["stream_key"], made["rtmp_url"], made["hls_url"])

    def publish(self, clip: Path, stream: LiveStream, *, loop: bool = True) -> Publisher:
        """Publish a clip with a real ffmpeg."""
        return Publisher(clip, f"{self.stack.addresses.publish_url}/{stream.key}", loop=loop)

    def enroll(self, name: str, person: Person, *, owner: str = "default") -> str:
        """Enroll a person from the photograph and return the person's id."""
        path = self._folder / f"{name}-{next(self._photos)}.jpg"  # one may be read while the next is written
        path.write_bytes(jpeg(person.photo))
        return str(self.api.enroll(name, [path], owner=owner)["person_id"])

    def status(self, stream: LiveStream) -> dict[str, Any]:
        """Return what /v1/status says of a stream."""
        found: dict[str, Any] = next(
            s for s in self.api.get("/v1/status")["streams"] if s["stream_id"] == stream.stream_id
        )
        return found

    def books(self, stream: LiveStream) -> "Books":
        """Return the frame counters of a stream from the parts' metrics."""
        ingested = _samples(self.stack.addresses.metrics_urls["ingest"], "mosaicast_frames_ingested_total")
        out = _samples(self.stack.addresses.metrics_urls["compositor"], "mosaicast_frames_out_total")
        mine = [(labels, value) for labels, value in out if labels["stream"] == stream.stream_id]
        dropped: dict[str, int] = {}
        full_mosaic: dict[str, int] = {}
        for labels, value in mine:
            by_reason = {"dropped": dropped, "full_mosaic": full_mosaic}.get(labels["disposition"])
            if by_reason is not None:
                by_reason[labels["reason"]] = by_reason.get(labels["reason"], 0) + int(value)
        return Books(
            ingested=sum(int(value) for labels, value in ingested if labels["stream"] == stream.stream_id),
            published=sum(int(value) for labels, value in mine if labels["disposition"] != "dropped"),
            dropped=dropped,
            full_mosaic=full_mosaic,
        )

    def guard(self, stream: LiveStream) -> dict[str, int]:
        """Return what the output guard did on a stream: looks, answered, trips."""
        counted = _samples(self.stack.addresses.metrics_urls["compositor"], "mosaicast_guard_total")
        return {labels["what"]: int(value) for labels, value in counted if labels["stream"] == stream.stream_id}

    def kill_child(self, service: str) -> None:
        """SIGKILL a service's child (of its only stream)."""
        root = self.stack.process(service).pid
        grandchildren = [pid for child in children_of(root) for pid in children_of(child)]
        if len(grandchildren) != 1:
            raise LookupError(f"{service} has {len(grandchildren)} children of streams, not one")
        os.kill(grandchildren[0], signal.SIGKILL)

    def signal_service(self, service: str, number: signal.Signals) -> None:
        """Send a signal to a service's process."""
        os.kill(self.stack.process(service).pid, number)


@dataclass(frozen=True, slots=True)
class Books:
    """Where the frames went."""

    ingested: int
    published: int
    dropped: dict[str, int]
    full_mosaic: dict[str, int]
    """Of the published ones, by reason."""

    @property
    def balanced(self) -> bool:
        """Whether ingested = published + dropped."""
        return self.ingested == self.published + sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a frame that arrived showed of the enrolled people whose faces were in full view in it.

    Attributes:
        number: its frame number; None if it can't be read (a full mosaic).
        clear: each of them was to be seen.
        shown: at least one of them was not masked as a stranger must be.
    """

    arrival_s: float
    kind: str
    number: int | None
    clear: bool
    shown: bool

    @classmethod
    def of(cls, judged: Judgement, arrival_s: float) -> "Sighting":
        """Sum up a judgement."""
        return cls(
            arrival_s,
            judged.kind.value,
            judged.number,
            clear=bool(judged.enrolled) and all(is_clear(face.masked) for face in judged.enrolled),
            shown=any(is_leaked(face.box, face.masked) for face in judged.enrolled),
        )


class LiveWatch:
    """Watches a stream in the background, reconnecting as players do, and judges every frame."""

    def __init__(self, url: str, oracle: Oracle) -> None:
        self._url = url
        self._watcher, self._beeps = Watcher(oracle), BeepFinder()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._seen: list[Sighting] = []
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> "LiveWatch":
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._stop.set()
        self._thread.join(30)

    def count(self, kind: str, since_s: float = 0.0) -> int:
        """Return how many frames of a kind have arrived since (monotonic seconds)."""
        with self._lock:
            return sum(1 for seen in self._seen if seen.kind == kind and seen.arrival_s >= since_s)

    def first(self, kind: str, since_s: float) -> float | None:
        """Return when the first frame of a kind arrived after `since_s`."""
        with self._lock:
            arrivals_s = (seen.arrival_s for seen in self._seen if seen.kind == kind)
            return next((at_s for at_s in arrivals_s if at_s >= since_s), None)

    def sightings(self, since_s: float = 0.0) -> list[Sighting]:
        """Return the frames that have arrived since (monotonic seconds), in order."""
        with self._lock:
            return [seen for seen in self._seen if seen.arrival_s >= since_s]

    def report(self) -> PlaybackReport:
        """Return what was seen so far."""
        with self._lock:
            return self._watcher.report(self._beeps.onsets_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with Viewer(self._url, open_timeout_s=5.0, read_timeout_s=5.0) as viewer:
                    for seen in viewer.watch():
                        self._take(seen)
                        if self._stop.is_set():
                            return
            except ViewerError:
                pass
            self._stop.wait(0.3)

    def _take(self, seen: Any) -> None:
        with self._lock:
            if isinstance(seen, SeenFrame):
                judged = self._watcher.see(seen.luma, seen.pts_s, seen.arrival_s)
                self._seen.append(Sighting.of(judged, seen.arrival_s))
            else:
                self._beeps.hear(seen.samples, seen.pts_s)


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Wait until something holds and return how long it took.

    Raises:
        TimeoutError: it did not, with `what` in the text.
    """
    start_s = time.monotonic()
    pause = threading.Event()
    while not true():
        if time.monotonic() - start_s > timeout_s:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        pause.wait(_POLL_S)
    return time.monotonic() - start_s


def text_at(url: str) -> str:
    """Return what a plain HTTP address answers, whatever its status. Without a client library, as in `runtime.probes`.

    Raises:
        OSError: nobody answers there.
    """
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_ASK_S)) as connection:
        connection.request("GET", parts.path)
        return connection.getresponse().read().decode()


def _samples(url: str, name: str) -> list[tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(text_at(url))
    return [(sample.labels, sample.value) for family in families for sample in family.samples if sample.name == name]
