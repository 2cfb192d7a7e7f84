"""What we are measured against: the bare transcode, and deface, on the same clip."""

import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from mosaicast.adapters.media.encoder import VideoFormat, encoder_options


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds (user and system, all threads and children) of a command over a clip."""

    cpu_s: float
    frames: int

    @property
    def ms_per_frame(self) -> float:
        """CPU milliseconds a frame."""
        return self.cpu_s / self.frames * 1000


def transcode(clip: Path, frames: int) -> Cost:
    """Measure ffmpeg decoding the clip and encoding it with x264 veryfast, as anybody would."""
    return _ffmpeg(clip, frames, ["-preset", "veryfast", "-crf", "23"])


def transcode_live(clip: Path, frames: int, video: VideoFormat) -> Cost:
    """Measure the same with our own options, which look ahead at nothing and so cost less."""
    options = [part for name, value in encoder_options(video).items() for part in (f"-{name}", value)]
    return _ffmpeg(clip, frames, options)


def deface(clip: Path, output: Path, frames: int, *arguments: str) -> Cost:
    """Measure deface, and leave its result in `output`.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    program = Path(sys.executable).with_name("deface")
    return _measured([str(program), str(clip), "-o", str(output), *arguments], frames)


def cut(clip: Path, output: Path, seconds: float) -> None:
    """Copy the beginning of a clip."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", str(clip)]
    subprocess.run([*command, "-t", str(seconds), "-c", "copy", str(output)], check=True)


def _ffmpeg(clip: Path, frames: int, encoder: list[str]) -> Cost:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-i", str(clip), "-an"]
    return _measured([*command, "-c:v", "libx264", *encoder, "-f", "null", "-"], frames)


def _measured(command: list[str], frames: int) -> Cost:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, frames)
