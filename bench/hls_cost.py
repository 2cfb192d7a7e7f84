"""What HLS costs: `python -m bench.hls_cost`. CPU of our muxer and files beside that of nginx-rtmp's HLS module.

The same H.264 and AAC go both ways, a minute of 720p30, as fast as they can. Ours: FFmpeg's muxer in memory, then the
files (`mosaicast/adapters/media/hls.py`, `services/compositor/hls.py`), in a process of its own. nginx-rtmp's: an nginx
that gets them from ffmpeg over RTMP with `hls on`, less what it takes with `hls off`. In turn; the medians count.
Writes bench/out/hls_cost.json. Exit status: 1 if ours costs more.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

import av
import imageio_ffmpeg
import psutil
from av.container import InputContainer
from av.stream import Stream

from mosaicast.adapters.media.hls import HlsSegment, Segmenter
from mosaicast.adapters.media.hls_folder import HlsFolder
from mosaicast.adapters.media.sink import AudioFormat
from mosaicast.contracts.messages import CodecParameters, MediaPacket, TimeBase
from mosaicast.runtime.children import die_with_parent
from mosaicast.runtime.ports import free_port
from services.cli.edge import find_nginx
from services.compositor.hls import HlsFiles
from services.compositor.wire import Segment
from synthetic.session import wait_until

OUT = Path("bench/out/hls_cost.json")
SECONDS, RATE = 60, 30
START_S, ENDS_S = 30.0, 120.0
_NGINX = Template("""$modules
daemon off;
master_process off;
error_log stderr error;
pid $folder/nginx.pid;
events { worker_connections 64; }
rtmp {
    access_log off;
    server {
        listen 127.0.0.1:$port;
        chunk_size 4096;
        max_message 8M;
        application live { live on; $hls }
    }
}
""")
_HLS = "hls on; hls_path {folder}/hls; hls_fragment 2s; hls_playlist_length 12s;"
"""As the edge had it, until the compositor wrote HLS."""


def main(argv: list[str] | None = None) -> int:
    """Run it and return its exit status."""
    parser = argparse.ArgumentParser(prog="bench.hls_cost", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.ours is not None:
        sys.stdout.write(f"{_mux(arguments.ours)}\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="mosaicast-hls-cost-") as folder:
        clip = _clip(Path(folder))
        pairs = [(_ours(clip), _theirs(clip, Path(folder))) for _ in range(arguments.pairs)]
    ours, theirs = (statistics.median(each) * 1000 / (SECONDS * RATE) for each in zip(*pairs, strict=True))
    result = {"ours_ms_per_frame": round(ours, 4), "nginx_rtmp_ms_per_frame": round(theirs, 4), "pairs_cpu_s": pairs}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1)
    OUT.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return 0 if ours <= theirs else 1


def _clip(folder: Path) -> Path:
    """Make what is pushed: 4 Mbit/s, a keyframe each 2 s, as the compositor encodes."""
    path = folder / "clip.flv"
    inputs = ["-f", "lavfi", "-i", f"testsrc2=s=1280x720:r={RATE}:d={SECONDS}"]
    inputs += ["-f", "lavfi", "-i", f"sine=440:r=48000:d={SECONDS}"]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "60", "-b:v", "4M"]
    video += ["-maxrate", "4M", "-bufsize", "8M", "-pix_fmt", "yuv420p"]
    _ffmpeg([*inputs, *video, "-c:a", "aac", "-b:a", "128k", str(path)])
    return path


def _ours(clip: Path) -> float:
    """Return CPU seconds of muxing and writing, in a process without anything else."""
    command = [sys.executable, "-m", "bench.hls_cost", "--ours", str(clip)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _mux(clip: Path) -> float:
    with av.open(str(clip)) as source, tempfile.TemporaryDirectory() as folder:
        packets = [packet for packet in source.demux() if packet.pts is not None]
        sound = [packet for packet in packets if packet.stream.type == "audio"]
        media = {id(packet): _sound(packet) for packet in sound}
        times_s = [float(packet.pts * packet.time_base) for packet in packets]
        files = HlsFiles("bench", HlsFolder(Path(folder)), 1)
        before = resource.getrusage(resource.RUSAGE_SELF)
        segmenter = Segmenter(lambda one: files.add(_segment(one)), int)
        segmenter.begin(source.streams.video[0], AudioFormat(_parameters(source), bytes(sound[0])))
        for packet, time_s in zip(packets, times_s, strict=True):
            if packet.stream.type == "video":
                segmenter.expect(time_s, broken=False)
                segmenter.video(packet, time_s)
            else:
                segmenter.audio(media[id(packet)], time_s)
        segmenter.end()
        after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _sound(packet: av.Packet) -> MediaPacket:
    return MediaPacket(
        stream_id="bench", epoch=1, index=0, unit=0, track="audio", pts=packet.pts, dts=packet.dts,
        duration=packet.duration or 0, time_base=_base(packet.stream), data=bytes(packet), read_ms=0,
    )  # fmt: skip


def _parameters(source: InputContainer) -> CodecParameters:
    stream = source.streams.audio[0]
    extradata = stream.codec_context.extradata or b""
    return CodecParameters(track="audio", codec="aac", time_base=_base(stream), extradata=extradata)


def _base(stream: Stream) -> TimeBase:
    assert stream.time_base is not None
    return TimeBase(stream.time_base.numerator, stream.time_base.denominator)


def _segment(one: HlsSegment) -> Segment:
    return Segment(one.revision, one.began_ms, one.duration_s, one.discontinuity, one.data)


def _theirs(clip: Path, folder: Path) -> float:
    """Return CPU seconds that nginx takes with its HLS beyond those without."""
    with_hls, without = (_nginx_cpu_s(clip, folder, hls) for hls in (_HLS.format(folder=folder), ""))
    return with_hls - without


def _nginx_cpu_s(clip: Path, folder: Path, hls: str) -> float:
    port = free_port()
    with _nginx(folder, port, hls) as nginx:
        before = nginx.cpu_times()
        _ffmpeg(["-i", str(clip), "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{port}/live/bench"])
        after = nginx.cpu_times()
    return float(after.user - before.user + after.system - before.system)


@contextmanager
def _nginx(folder: Path, port: int, hls: str) -> Iterator[psutil.Process]:
    program, modules = find_nginx()
    user = "user root;\n" if os.geteuid() == 0 else ""
    loads = user + "\n".join(f"load_module {module};" for module in modules)
    path = folder / "nginx.conf"
    path.write_text(_NGINX.substitute(modules=loads, folder=folder, port=port, hls=hls))
    process = subprocess.Popen(die_with_parent([program, "-e", "stderr", "-p", str(folder), "-c", str(path)]))
    try:
        wait_until(lambda: _listens(process.pid, port), START_S, "nginx listens")
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait(ENDS_S)


def _listens(pid: int, port: int) -> bool:
    connections = psutil.Process(pid).net_connections("tcp4")
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def _ffmpeg(arguments: list[str]) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
