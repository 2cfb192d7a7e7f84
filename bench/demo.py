"""`make demo`: the whole product with a sample broadcast, one person enrolled, the others masked.

Exit status: 0 if it was stopped, or ran for --seconds and the masked stream played clean; 1 if not.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mosaicast.adapters.kafka import BusError
from mosaicast.runtime import logs
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.ports import PortTakenError
from services.cli.client import ApiClient, ApiError
from services.cli.edge import EdgeMissingError
from services.cli.stack import Stack, StackError, StackOptions
from synthetic import presets
from synthetic.cast import CastError, load_cast
from synthetic.clip import write_clip
from synthetic.following import FollowingOracle
from synthetic.oracle import SourceClip
from synthetic.playback import PlaybackReport
from synthetic.session import LiveStream, LiveWatch, Session, wait_until

ENROLLED = "astronaut"
PLAYING_S = 120.0
"""The masked stream is there within so long of the start."""
LEAST_FRAMES = 60
MOST_UNREADABLE = 0.01
_GROUND_S = 5.0
"""It runs for so long at least: until the enrolled person is recognised she is masked like everybody."""


def main(argv: list[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    arguments = _arguments(argv)
    logs.configure("demo", level="WARNING")
    console = Console(stderr=True, highlight=False)
    stop = StopEvent().install()
    try:
        with tempfile.TemporaryDirectory(prefix="mosaicast-demo-") as folder:
            return _run(arguments, Path(folder), console, stop)
    except (ApiError, BusError, CastError, EdgeMissingError, PortTakenError, StackError, TimeoutError) as exc:
        console.print(f"demo: {exc}", markup=False)
        return 1


def _run(arguments: argparse.Namespace, folder: Path, console: Console, stop: StopEvent) -> int:
    start_s = time.monotonic()
    with console.status("drawing the broadcast from photographs that ship inside packages"):
        people = load_cast()
        clip = folder / "demo.flv"
        write_clip(clip, presets.demo(list(people)), people)
    console.print(f"✓ sample broadcast: {len(people)} people, 24 s, 1280x720, with sound")
    token = "demo"  # of this run only, on this machine only
    options = StackOptions(
        data_dir=folder / "data",
        rtmp_port=arguments.rtmp_port,
        http_port=arguments.http_port,
        api_port=arguments.api_port,
        kafka="real" if arguments.kafka else "embedded",
        admin_token=token,
    )
    with Stack(options) as stack:
        with console.status("starting") as status:
            addresses = stack.start(status.update)
        console.print("✓ five services, the edge and the broker run")
        with ApiClient(addresses.api_url, token) as api:
            session = Session(stack, api, folder)
            session.enroll("Eileen Collins", people[ENROLLED])
            console.print("✓ one of them is enrolled: Eileen Collins, the astronaut")
            stream = session.create("Demo")
            oracle = FollowingOracle([SourceClip.load(clip)], [ENROLLED])
            with session.publish(clip, stream):
                console.print("✓ ffmpeg publishes over RTMP")
                with LiveWatch(stream.rtmp_url, oracle) as watch:
                    with console.status("waiting for the masked stream"):
                        wait_until(lambda: watch.count("clean") > 0, PLAYING_S, "the masked stream plays")
                    console.print(f"✓ masked stream after {time.monotonic() - start_s:.0f} s")
                    _print_addresses(console, stream, addresses.api_url, token)
                    return _watch(arguments.seconds, session, stream, watch, console, stop)


def _watch(  # noqa: PLR0913, PLR0917 - the whole of the running demo
    seconds: float | None, session: Session, stream: LiveStream, watch: LiveWatch, console: Console, stop: StopEvent
) -> int:
    with console.status("Ctrl-C stops everything" if seconds is None else f"running for {seconds:.0f} s") as status:
        end_s = None if seconds is None else time.monotonic() + max(seconds, _GROUND_S)
        while (end_s is None or time.monotonic() < end_s) and not stop.wait(1.0):
            frames = session.status(stream)["frames"]
            status.update(
                f"{frames['masked']} frames masked, {frames['clear']} with nobody to mask, "
                f"{frames['full_mosaic']} fully mosaicked, {frames['dropped']} dropped"
            )
    return _judge(watch.report(), console, checked=seconds is not None)


def _judge(report: PlaybackReport, console: Console, *, checked: bool) -> int:
    console.print(report.text(), markup=False)
    faults = [
        text
        for text, wrong in (
            ("the masked stream did not play", not _played(report)),
            (f"{len(report.leaks)} faces were seen that should be masked", bool(report.leaks)),
            ("the enrolled person was not visible", not (report.enrolled_visible or 0.0) > 0.5),
            ("sound and picture are more than 40 ms apart", abs(report.av_offset_ms or 0.0) > 40),
        )
        if wrong
    ]
    for fault in faults:
        console.print(f"✗ {fault}")
    if not faults:
        console.print("✓ strangers masked, the enrolled person visible, sound in step")
    return 1 if checked and faults else 0


def _played(report: PlaybackReport) -> bool:
    """Whether numbered frames came in order. A mask may cover the number itself, but only now and then."""
    clean, unreadable = report.by_kind.get("clean", 0), report.by_kind.get("unreadable", 0)
    return clean >= LEAST_FRAMES and not report.order_violations and unreadable <= report.frames * MOST_UNREADABLE


def _print_addresses(console: Console, stream: LiveStream, api_url: str, token: str) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("watch (VLC, ffplay)", stream.rtmp_url)
    table.add_row("watch (HLS)", stream.hls_url)
    table.add_row("watch (browser)", f"{api_url}/watch/{stream.stream_id}")
    table.add_row("status page", f"{api_url}/status#token={token}")
    console.print(table, soft_wrap=True)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--seconds", type=float, help="run so long, check, and say so in the exit status")
    parser.add_argument("--kafka", action="store_true", help="on a real Apache Kafka (`make setup-kafka`)")
    parser.add_argument("--rtmp-port", type=int, default=1935)
    parser.add_argument("--http-port", type=int, default=8080)
    parser.add_argument("--api-port", type=int, default=8000)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
