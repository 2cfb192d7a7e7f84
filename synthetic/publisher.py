"""A publisher as streamers have it: a real ffmpeg that sends a clip over RTMP in real time."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

import imageio_ffmpeg

from mosaicast.runtime.children import die_with_parent

_TAIL_BYTES = 4000


class Publisher:
    """One ffmpeg process that publishes a clip as it is (`-c copy`). Starts at once.

    It dies with the thread that made it, the main one for a whole process (that is how Linux sees it).

    Usable as a context manager, which stops it.

    Args:
        clip: the file to send.
        url: where to, such as rtmp://127.0.0.1:1935/live/KEY.
        loop: start again at the end, for ever.
    """

    def __init__(self, clip: Path, url: str, *, loop: bool = True) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `kill`, as in `stop`
        self._last_words = b""
        repeat = ["-stream_loop", "-1"] if loop else []
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "warning"]
        command += ["-re", *repeat, "-i", str(clip), "-c", "copy", "-f", "flv", url]
        self._process = subprocess.Popen(
            die_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C reaches it through us
        )

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Exit status; None while it publishes, negative after a signal."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for it to end by itself (the clip is over, or the server refused). None if it still runs."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float = 5.0) -> int:
        """End as a streamer does: the server is told. Kills it if that takes too long. Returns the exit status."""
        if self.exit_status is None:
            self._process.send_signal(signal.SIGINT)
        self.wait(timeout_s)
        return self.kill()

    def kill(self) -> int:
        """End as a power cut does: the server is not told. Returns the exit status; that of before if it had ended."""
        self._process.kill()
        status = self._process.wait()
        if not self._errors.closed:
            self._last_words = self._tail()
            self._errors.close()
        return status

    def stderr_tail(self) -> str:
        """Return the last that ffmpeg said. May hold the address, stream key included: not for logs."""
        return (self._last_words if self._errors.closed else self._tail()).decode(errors="replace")

    def _tail(self) -> bytes:
        # Its own position moves nobody else's: ffmpeg appends through a descriptor that shares ours.
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
