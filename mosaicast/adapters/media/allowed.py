"""Holding FFmpeg to a list of containers and decoders."""

from functools import cache

import av

from mosaicast.adapters.media.source_errors import SourceError, refuse
from mosaicast.adapters.media.tracks import Track
from mosaicast.contracts.situations import video
from mosaicast.core.allowed import Allowed

_DECODERS = {"av1": "libdav1d"}
"""Where FFmpeg's decoder of the codec's own name does not decode by itself (that of AV1 needs a GPU)."""


def decoder_of(codec: str) -> str:
    """Return which of FFmpeg's decoders to use for a codec."""
    return _DECODERS.get(codec, codec)


def whitelists(allowed: Allowed) -> dict[str, str]:
    """Return FFmpeg's options that have it open nothing else, not even to learn the tracks."""
    decoders = sorted(name for name, codec in _decoders().items() if codec in allowed.codecs)
    return {"format_whitelist": ",".join(allowed.formats), "codec_whitelist": ",".join(decoders) or "none"}


def require(track: Track, allowed: Allowed) -> None:
    """Refuse a track whose codec is not on the list, by its name and with what to set.

    Raises:
        SourceError: it is not.
    """
    codec = track.codec
    if codec not in allowed.codecs:
        raise _not_allowed(track.kind, codec, allowed.codecs_setting)


def _not_allowed(kind: str, codec: str, setting: str) -> SourceError:
    what = "sound" if kind == "audio" else "video"
    return refuse("codec_not_allowed", video.NOT_LET_IN.says(what=what, codec=codec, setting=setting))


@cache
def _decoders() -> dict[str, str]:
    """Return the codec of each decoder that FFmpeg has here."""
    found = {}
    for name in av.codecs_available:
        try:
            found[name] = av.Codec(name, "r").canonical_name
        except ValueError:  # an encoder only
            continue
    return found
