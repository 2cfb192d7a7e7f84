"""How far the fingerprints of one picture, decoded twice, lie apart: `python -m bench.fingerprints CLIP... `.

Decodes each clip as ingest does and as the compositor does, as it is and with packets missing, and prints a line of
JSON: quantiles of the worst cell's difference. The bound in `core.fingerprint` comes from here.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.replay_parts import read_clip
from mosaicast.adapters.media.packets import DecodeError, PacketDecoder
from mosaicast.adapters.media.pictures import fingerprint_of
from mosaicast.contracts.messages import MediaPacket
from mosaicast.core.fingerprint import LARGEST_DIFFERENCE, difference

LOSSES = 40
"""Packets that are lost in each clip, one at a time, at random places."""
FOLLOWED = 30
"""Frames after each loss that are compared."""


def main() -> None:
    """Measure the clips and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    for path in parser.parse_args().clips:
        print(json.dumps({"clip": path.name, **measured(path)}), flush=True)


def measured(path: Path) -> dict[str, Any]:
    """Return the distributions of one clip."""
    clip = read_clip(path)
    video = [packet for packet in clip.packets if packet.track == "video" and not packet.end_of_epoch]
    sampled = {sample.pts: sample.fingerprint for sample in clip.samples}
    started = time.process_time()
    ours = dict(_fingerprints(video))
    took_ms = (time.process_time() - started) * 1000 / max(1, len(ours))
    again = [difference(print_, ours[pts]) for pts, print_ in sampled.items() if pts in ours]
    lost = list(_after_losses(video, ours))
    return {
        "frames": len(ours),
        "decode_and_fingerprint_ms": round(took_ms, 3),
        "same_picture": _quantiles(again),
        "after_a_lost_packet": _quantiles(lost),
        "noticed_by_the_fingerprint": round(float(np.mean(np.array(lost or [0]) > LARGEST_DIFFERENCE)), 3),
    }


def _fingerprints(video: Sequence[MediaPacket]) -> Iterator[tuple[int, bytes]]:
    parameters = next(codec for packet in video for codec in packet.codecs if codec.track == "video")
    decoder = PacketDecoder(parameters)
    for packet in (*video, None):
        try:
            frames = decoder.flush() if packet is None else decoder.decode(packet)
        except DecodeError:
            continue
        for decoded in frames:
            yield decoded.pts, fingerprint_of(decoded.frame)


def _after_losses(video: Sequence[MediaPacket], whole: dict[int, bytes]) -> Iterator[int]:
    """Yield the differences of the frames that follow a lost packet, up to the next keyframe."""
    rng = np.random.default_rng(7)
    keyframes = [number for number, packet in enumerate(video) if packet.keyframe]
    for number in rng.choice(len(video), min(LOSSES, len(video)), replace=False):
        begins = max(key for key in keyframes if key <= number)
        if begins == number:
            begins = max((key for key in keyframes if key < number), default=number)
        ends = min((key for key in keyframes if key > number), default=len(video))
        group = [packet for at, packet in enumerate(video[begins:ends], begins) if at != number]
        lost = video[number]
        if group and group[0].codecs:
            frames = [(pts, print_) for pts, print_ in _fingerprints(group) if pts > lost.pts][:FOLLOWED]
            yield from (difference(print_, whole[pts]) for pts, print_ in frames if pts in whole)


def _quantiles(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    names = {"median": 50, "p90": 90, "p99": 99, "max": 100}
    return {name: float(np.percentile(values, share)) for name, share in names.items()}


if __name__ == "__main__":
    main()
