"""A stream template for audio that is muxed untouched.

PyAV copies a stream's parameters (AAC's AudioSpecificConfig above all) only from another container's stream. Our
packets come from a message log, so we write the smallest FLV that carries the parameters and let FFmpeg read it.
"""

import io
import struct

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from mosaicast.contracts.messages import CodecParameters

_MP3_RATES = frozenset({11025, 22050, 44100, 48000})
"""FLV has two bits for the rate; with another one FFmpeg does not write the file at all, pictures included."""
_AAC_TAG = b"\xaf"  # AAC; rate, size and channels are fixed to these bits, the config says the truth
_MP3_TAG = b"\x2f"  # MP3 44 kHz stereo, 16 bit


def is_carried(parameters: CodecParameters) -> bool:
    """Return whether FLV can carry this audio as it is: AAC and MP3, which every RTMP and HLS player takes."""
    if parameters.codec == "mp3":
        return parameters.sample_rate in _MP3_RATES
    return parameters.codec == "aac" and bool(parameters.extradata)


def audio_template(parameters: CodecParameters, first_packet: bytes) -> tuple[InputContainer, AudioStream]:
    """Return a container and its audio stream, to be given to `add_stream_from_template` while the first is open.

    Raises:
        ValueError: FFmpeg does not see audio in it.
    """
    if parameters.codec == "aac":
        tags = _tag(_AAC_TAG + b"\x00" + parameters.extradata, 0) + _tag(_AAC_TAG + b"\x01" + first_packet, 0)
    else:
        tags = _tag(_MP3_TAG + first_packet, 0)
    header = b"FLV\x01\x04" + struct.pack(">II", 9, 0)
    try:
        container = av.open(io.BytesIO(header + tags * 1), "r", format="flv")
        stream = container.streams.audio[0]
    except (av.FFmpegError, IndexError) as exc:
        raise ValueError(f"no {parameters.codec} audio in the packet") from exc
    return container, stream


def _tag(body: bytes, timestamp_ms: int) -> bytes:
    size = len(body)
    head = b"\x08" + size.to_bytes(3, "big") + timestamp_ms.to_bytes(3, "big") + b"\x00" + b"\x00\x00\x00"
    return head + body + struct.pack(">I", size + 11)
