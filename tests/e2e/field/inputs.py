"""Inputs made by FFmpeg: a test picture that flashes white, with a beep, once a second."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg

from tests.e2e.flv_publisher import Timed

Make = Callable[[Path], None]
"""Writes a file."""
Edit = Callable[[list[Timed]], list[Timed]]

FLASH_S = 0.25
RATE = 12
AAC = ("-c:a", "aac", "-ar", "44100", "-b:a", "64k")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "24", "-pix_fmt", "yuv420p")


def media(
    *,
    seconds: float = 40,
    size: str = "256x144",
    rate: float = RATE,
    picture: Sequence[str] = H264,
    sound: Sequence[str] | None = AAC,
    filters: str = "",
    options: Sequence[str] = (),
    container: str = "flv",
) -> Make:
    """Return what writes such a file. `filters` follow the test picture; `options` stand before the output.

    Sound begins a beep, and the picture a flash of `FLASH_S`, at each full second of the media's own time.
    """
    flash = f"drawbox=t=fill:c=white:enable='lt(mod(t,1),{FLASH_S})'"
    drawn = ",".join(
        part for part in (f"testsrc2=s={size}:r={rate}:d={seconds},eq=brightness=-0.3", flash, filters) if part
    )
    beep = f"aevalsrc='0.5*sin(2*PI*880*t)*lt(mod(t,1),{FLASH_S})':s=44100:d={seconds}"
    inputs = ["-f", "lavfi", "-i", drawn]
    inputs += [] if sound is None else ["-f", "lavfi", "-i", beep]
    coded = [*picture, *(sound or ()), *options, "-f", container]
    return lambda path: ffmpeg([*inputs, *coded, str(path)])


def ffmpeg(arguments: Sequence[str]) -> None:
    """Run it to its end.

    Raises:
        RuntimeError: it failed, with what it said.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr)


def later(timed: list[Timed], kind: int, begin_s: float) -> list[Timed]:
    """Leave out what one kind of tag says before `begin_s`, its header excepted, which comes then."""
    moved = [
        Timed(begin_s, tag.at(round(begin_s * 1000))) if tag.kind == kind and tag.is_header else Timed(at_s, tag)
        for at_s, tag in timed
        if tag.kind != kind or tag.is_header or at_s >= begin_s
    ]
    return sorted(moved, key=lambda each: each.send_s)


def without(timed: list[Timed], kind: int, begin_s: float, end_s: float) -> list[Timed]:
    """Leave out one kind of tag from `begin_s` to `end_s`."""
    return [each for each in timed if each.tag.kind != kind or not begin_s <= each.send_s < end_s]


def delayed(timed: list[Timed], begin_s: float, by_s: float) -> list[Timed]:
    """Send everything from `begin_s` on later than its time says: the way has become longer."""
    return [Timed(at_s + by_s if at_s >= begin_s else at_s, tag) for at_s, tag in timed]
