"""`make bench`: CPU a frame, leaks and delay of ours, of the bare transcode and of deface, on one clip in one run.

Writes bench/out/summary.json and prints a table.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openvino
from rich.console import Console
from rich.table import Table

from bench import peers
from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.runtime.ports import free_ports
from services.cli.client import ApiClient
from synthetic import presets
from synthetic.cast import jpeg, load_cast
from synthetic.clip import luma_of_frame, write_clip
from synthetic.oracle import Oracle, SourceClip
from synthetic.playback import Watcher
from synthetic.processes import cpu_by_name, cpu_seconds
from synthetic.publisher import Publisher
from synthetic.session import wait_until
from synthetic.viewer import SeenFrame, Viewer

OUT = Path(__file__).parent / "out" / "summary.json"
TOKEN = "bench-administrator"
ENROLLED = "astronaut"
WARM_S = 8.0
DELAY_S = 1.0


@dataclass(slots=True)
class Ours:
    """What was measured of our pipeline."""

    cpu_s: float
    frames: int
    by_process: dict[str, float]
    leaks: int
    enrolled_visible: float
    added_delay_ms: list[float]
    counters: dict[str, Any]
    full_mosaic_share: float
    """Of the frames measured: the first seconds of the stream are over by then."""


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write."""
    arguments = _arguments(argv)
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="mosaicast-bench-") as name:
        folder = Path(name)
        people = load_cast()
        clip, short = folder / "bench.mp4", folder / "short.mp4"
        with console.status("drawing the clip"):
            write_clip(clip, presets.bench(list(people)), people)
            (folder / "enrolled.jpg").write_bytes(jpeg(people[ENROLLED].photo))
        source = SourceClip.load(clip)
        frames = len(source.truth.frames)
        with console.status("ffmpeg: decode and x264"):
            bare = [peers.transcode(clip, frames) for _ in range(3)]
            live = [peers.transcode_live(clip, frames, VideoFormat(1280, 720, 30.0, "veryfast")) for _ in range(3)]
        with console.status(f"ours, for {arguments.seconds:.0f} s"):
            ours = _measure_ours(folder, clip, source, arguments.seconds)
        peers.cut(clip, short, arguments.deface_seconds)
        short_frames = round(arguments.deface_seconds * 30)
        with console.status("deface"):
            default = peers.deface(short, folder / "deface.mp4", short_frames)
        with console.status("deface --scale 640x360"):
            scaled = peers.deface(short, folder / "deface-scaled.mp4", short_frames, "--scale", "640x360")
        summary = _summary(
            ours,
            statistics.median(cost.ms_per_frame for cost in bare),
            statistics.median(cost.ms_per_frame for cost in live),
            {
                "default": (default, _leaks(folder / "deface.mp4", source)),
                "scaled": (scaled, _leaks(folder / "deface-scaled.mp4", source)),
            },
        )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(summary, indent=2) + "\n")
    _print(summary)
    return 0


def _measure_ours(folder: Path, clip: Path, source: SourceClip, seconds: float) -> Ours:
    with _running(folder) as (process, api, ports):
        api.enroll("enrolled", [folder / "enrolled.jpg"])
        stream = api.post("/v1/streams", {"name": "bench"})
        edge = f"rtmp://127.0.0.1:{ports['rtmp']}"
        token = (folder / "data" / "edge.token").read_text().strip()
        with Publisher(clip, f"{edge}/live/{stream['stream_key']}"):
            wait_until(lambda: _published(api) > WARM_S * 30, 90, "the masked stream")
            frames, cpu_s = _snapshot(api, process.pid)
            mosaicked = _counters(api)["full_mosaic"]
            by_process = cpu_by_name(process.pid)
            watched = _watch_both(edge, stream["stream_id"], token, source, seconds)
            frames_after, cpu_after_s = _snapshot(api, process.pid)
            by_process_after = cpu_by_name(process.pid)
            counters = _counters(api)
    masked, raw = watched
    report = masked.report()
    sent = dict(raw.arrivals)
    late_ms = [(at - sent[number] - DELAY_S) * 1000 for number, at in masked.arrivals if number in sent]
    return Ours(
        cpu_after_s - cpu_s,
        frames_after - frames,
        {name: spent - by_process.get(name, 0.0) for name, spent in by_process_after.items()},
        len(report.leaks),
        report.enrolled_visible or 0.0,
        late_ms,
        counters,
        (counters["full_mosaic"] - mosaicked) / (frames_after - frames),
    )


def _watch_both(edge: str, stream_id: str, token: str, source: SourceClip, seconds: float) -> tuple[Watcher, Watcher]:
    """Watch the raw and the masked stream side by side, for shorter than the clip is, so that numbers are unique."""
    masked, raw = Watcher(Oracle([source], [ENROLLED])), Watcher(Oracle([source], list(source.truth.people())))
    with (
        Viewer(f"{edge}/masked/{stream_id}") as masked_viewer,
        Viewer(f"{edge}/live/{stream_id}?token={token}") as raw_viewer,
    ):
        end_s = time.monotonic() + seconds
        viewers = ((masked_viewer.watch(seconds), masked), (raw_viewer.watch(seconds), raw))
        while time.monotonic() < end_s:
            for seen_by, watcher in viewers:
                seen = next(seen_by, None)
                if isinstance(seen, SeenFrame):
                    watcher.see(seen.luma, seen.pts_s, seen.arrival_s)
    return masked, raw


def _counters(api: ApiClient) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/v1/status")["streams"][0]["frames"]
    return found


def _published(api: ApiClient) -> int:
    frames = _counters(api)
    return int(frames["clear"] + frames["masked"] + frames["full_mosaic"])


def _snapshot(api: ApiClient, pid: int) -> tuple[int, float]:
    """Return frames published and CPU spent at the moment of a status report."""
    before = _published(api)
    wait_until(lambda: _published(api) != before, 10, "a status report")
    return _published(api), cpu_seconds(pid)


@contextmanager
def _running(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", ApiClient, dict[str, int]]]:
    """Run `mosaicast up` as a user does; its process tree is all of our CPU, the embedded broker included."""
    ports = dict(zip(("rtmp", "http", "api"), free_ports(3), strict=True))
    command = [sys.executable, "-m", "services.cli.main", "up", "--data-dir", str(folder / "data")]
    command += [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
    environment = {**os.environ, "MOSAICAST_API__ADMIN_TOKEN": TOKEN}
    url = f"http://127.0.0.1:{ports['api']}"
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: _answers(f"{url}/readyz"), 60, "mosaicast up")
            with ApiClient(url, TOKEN) as api:
                yield process, api, ports
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _leaks(path: Path, source: SourceClip) -> tuple[int, int]:
    """Return leaked face-frames of a masked file in which nobody is enrolled, and how many frames were judged."""
    import av

    watcher = Watcher(Oracle([source], []))
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            watcher.see(luma_of_frame(frame), float(frame.time or 0.0), 0.0)
    report = watcher.report()
    return len(report.leaks), report.frames


def _summary(
    ours: Ours, bare_ms: float, live_ms: float, deface: dict[str, tuple[peers.Cost, tuple[int, int]]]
) -> dict[str, Any]:
    ours_ms = ours.cpu_s / ours.frames * 1000
    late = sorted(ours.added_delay_ms)
    default, (default_leaks, default_frames) = deface["default"]
    scaled, (scaled_leaks, _) = deface["scaled"]
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {
        "cpu_vs_transcode": round(ours_ms / bare_ms, 3),
        "cpu_vs_transcode_same_options": round(ours_ms / live_ms, 3),
        "deface_vs_ours_cpu": round(default.ms_per_frame / ours_ms, 2),
        "deface_scaled_vs_ours_cpu": round(scaled.ms_per_frame / ours_ms, 2),
        "recognizer_share_of_cpu": round(ours.by_process.get("services.recognizer", 0.0) / ours.cpu_s, 3),
        "leaks_ours": ours.leaks,
        "leaks_deface": default_leaks,
        "leaks_deface_scaled": scaled_leaks,
        "frames_judged_ours": ours.frames,
        "frames_judged_deface": default_frames,
        "added_delay_p95_ms": round(late[int(0.95 * (len(late) - 1))], 1) if late else None,
        "added_delay_median_ms": round(statistics.median(late), 1) if late else None,
        "full_mosaic_share": round(ours.full_mosaic_share, 4),
        "enrolled_visible": round(ours.enrolled_visible, 3),
        "ms_per_frame": {
            "ours": round(ours_ms, 2),
            "transcode": round(bare_ms, 2),
            "transcode_same_options": round(live_ms, 2),
            "deface": round(default.ms_per_frame, 1),
            "deface_scaled": round(scaled.ms_per_frame, 1),
        },
        "cpu_seconds_by_process": {name: round(spent, 2) for name, spent in ours.by_process.items()},
        "frames": ours.counters,
        "clip": "synthetic.presets.bench: 1280x720, 30 fps, 6 faces, analysed 10 times a second, x264 veryfast",
        "cpu": {"cores": os.cpu_count(), "capabilities": list(capabilities)},
    }


def _print(summary: dict[str, Any]) -> None:
    table = Table("what", "figure", box=None)
    for name, value in summary.items():
        table.add_row(name, json.dumps(value))
    Console(highlight=False).print(table, soft_wrap=True)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long our stream is measured (below 24)")
    parser.add_argument("--deface-seconds", type=float, default=6.0, help="how much of the clip deface gets")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
