"""Where the HLS of all streams goes, as the settings say: a folder of ours, or an edge on another machine."""

import contextlib
import threading
from collections.abc import Callable

from mosaicast.adapters.media.hls_folder import HlsFolder, HlsStoreError
from mosaicast.runtime import logs
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from mosaicast.runtime.settings import CompositorServiceSettings
from services.compositor.hls import DISK, EDGE, FIRST_PAUSE_S, LONGEST_PAUSE_S, HlsFiles, HlsOutput, Store, Words

MakeHls = Callable[[str], HlsOutput | None]
"""Makes the HLS of a stream."""

_LOG = logs.get_logger(__name__)


def hls_maker(settings: CompositorServiceSettings, stop: threading.Event) -> MakeHls:
    """Claim the store and return what makes the HLS of a stream; None of it where another compositor has the folder.

    Args:
        settings: the compositor's.
        stop: ends the tries at an edge that does not answer.
    """
    if settings.hls.url is not None:
        return _on_an_edge(settings.hls.url, settings, stop)
    folder = HlsFolder(settings.hls_path)
    try:
        folder.claim()
    except HlsStoreError as exc:
        _LOG.error("hls_off", folder=str(folder.root), error=str(exc))
        return lambda _: None
    return lambda stream_id: _output(stream_id, folder, DISK)


def _on_an_edge(url: str, settings: CompositorServiceSettings, stop: threading.Event) -> MakeHls:
    from mosaicast.adapters.media.hls_http import HlsHttp

    edge = HlsHttp(url, settings.hls.token.get_secret_value())
    threading.Thread(target=claim_when_it_answers, args=(edge.claim, stop), name="hls-claim", daemon=True).start()
    if settings.hls_path.is_dir():
        with contextlib.suppress(HlsStoreError):  # another compositor writes there
            HlsFolder(settings.hls_path).claim()  # and sweep what was left before HLS went elsewhere
    return lambda stream_id: _output(stream_id, edge, EDGE)


def claim_when_it_answers(claim: Callable[[], None], stop: threading.Event) -> None:
    """Sweep what an earlier run has left on an edge as soon as it answers; streams begin without waiting for it."""
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            return claim()
        except HlsStoreError as exc:
            _LOG.error("hls_store_failed", error=str(exc), pause_s=pause_s)
        stop.wait(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    return None


def _output(stream_id: str, store: Store, words: Words) -> HlsOutput:
    # Numbers of segments go on from any earlier run without a record of it: there is less than one a second.
    return HlsOutput(HlsFiles(stream_id, store, first_sequence=wall_ms() // 1000), monotonic_s, words)
