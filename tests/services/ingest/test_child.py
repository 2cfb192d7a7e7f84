"""The child's work, in this process, on clips made here."""

import itertools
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.adapters.media.pictures import PictureError
from mosaicast.adapters.media.source import EpochStarted, PacketRead
from mosaicast.adapters.media.times import Times
from mosaicast.contracts.messages import CodecParameters, MediaPacket, SampledFrame, TimeBase
from mosaicast.core.fingerprint import fingerprint
from services.detector.waiting import WaitingFrames
from services.ingest.child import LARGEST_LAG_S, Pace, StreamReader
from services.ingest.epoch import EpochWriter
from services.ingest.parent_pipe import ParentGoneError, ParentPipe
from services.ingest.wire import Command, End, Job, Report, pack_command, unpack
from tests.adapters.av_clips import concatenated_flv, make_clip

MS = TimeBase(1, 1000)
START = EpochStarted((CodecParameters(track="video", codec="h264", time_base=MS, width=640, height=360),))


class Hurry:
    """Monotonic seconds that leap, so that a file is not read at native speed."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 2.0
        return self.now_s


class Listener:
    """The parent's end: collects what the child says."""

    def __init__(self) -> None:
        self.ours, theirs = multiprocessing.Pipe(duplex=True)
        self.theirs = theirs
        self.parent_pipe = ParentPipe(theirs)
        self.heard: list[Any] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while True:
                self.heard.append(unpack(self.ours.recv_bytes()))
        except EOFError:
            return

    def of(self, kind: type) -> list[Any]:
        """Close the child's end and return all messages of a kind."""
        self.theirs.close()
        self._thread.join(10)
        return [message for message in self.heard if type(message) is kind]


def read(path: Path, *, fps: float = 10.0, live: bool = False) -> Listener:
    listener = Listener()
    StreamReader(Job("s", str(path), live, 1000, fps, 0.25), listener.parent_pipe, now_s=Hurry()).run()
    return listener


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.flv", cut_at=20, b_frames=2)


def test_every_packet_is_passed_on_numbered_without_a_hole_and_ended(clip: Path) -> None:
    media = read(clip).of(MediaPacket)
    assert [packet.index for packet in media] == list(range(len(media)))
    assert {(packet.stream_id, packet.epoch) for packet in media} == {("s", 1000)}
    assert sum(packet.track == "video" for packet in media[:-1]) == 45
    assert [packet.end_of_epoch for packet in media] == [False] * (len(media) - 1) + [True]


def test_codecs_come_with_every_keyframe_and_only_there(clip: Path) -> None:
    media = read(clip).of(MediaPacket)
    assert media[0].keyframe
    for packet in media:
        assert bool(packet.codecs) == (packet.track == "video" and packet.keyframe)


def test_samples_are_on_the_grid_and_on_both_sides_of_the_cut(clip: Path) -> None:
    listener = read(clip)
    frames, media = listener.of(SampledFrame), listener.of(MediaPacket)
    times = [frame.time_base.seconds(frame.pts) for frame in frames]
    video = sorted(packet.time for packet in media if packet.track == "video" and packet.data)
    assert times[0] == video[0]
    assert set(times) <= set(video)
    assert [time for time, frame in zip(times, frames, strict=True) if frame.scene_cut] == [video[20]]
    assert video[19] in times
    assert all(b - a <= Fraction(1, 5) for a, b in itertools.pairwise(times))
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert {(f.width, f.height, f.epoch, f.detection_threshold) for f in frames} == {(320, 180, 1000, 0.25)}


def test_a_change_of_size_ends_one_epoch_and_begins_a_higher_one(tmp_path: Path) -> None:
    first, second = make_clip(tmp_path / "a.flv"), make_clip(tmp_path / "b.flv", size_wh=(480, 272))
    listener = read(concatenated_flv(tmp_path / "ab.flv", first, second))
    media, frames = listener.of(MediaPacket), listener.of(SampledFrame)
    epochs = list(dict.fromkeys(packet.epoch for packet in media))
    assert len(epochs) == 2
    assert epochs[0] < epochs[1]
    for epoch, width in zip(epochs, (320, 480), strict=True):
        mine = [packet for packet in media if packet.epoch == epoch]
        assert [packet.index for packet in mine] == list(range(len(mine)))
        assert mine[-1].end_of_epoch
        assert mine[0].codecs[0].width == width
        assert {frame.width for frame in frames if frame.epoch == epoch} == {width}
        assert next(frame.pts for frame in frames if frame.epoch == epoch) == mine[0].pts


@pytest.mark.parametrize(("content", "code"), [(b"", "damaged"), (None, "not_found")])
def test_the_last_word_tells_what_is_wrong(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    end = read(path).of(End)[-1]
    assert (end.code, end.retry) == (code, False)
    assert end.text


def test_a_clean_end_is_told_after_the_final_count(clip: Path) -> None:
    listener = read(clip)
    assert listener.of(End) == [End("end")]
    assert isinstance(listener.heard[-2], Report)


def test_the_parents_settings_are_followed(clip: Path) -> None:
    listener = Listener()
    reader = StreamReader(Job("s", str(clip), False, 1000, 4.0, 0.2), listener.parent_pipe, now_s=Hurry())
    listener.ours.send_bytes(pack_command(Command(30.0, 0.5)))
    reader.run()
    frames = listener.of(SampledFrame)
    assert len(frames) > 40
    assert frames[-1].detection_threshold == 0.5


def test_a_lost_packet_begins_a_new_epoch_at_the_next_keyframe(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "long.flv", frames=90)
    listener = Listener()
    reader = StreamReader(Job("s", str(clip), False, 1000, 10.0, 0.2), listener.parent_pipe, now_s=Hurry())
    listener.ours.send_bytes(pack_command(Command(10.0, 0.2, begin_anew=True)))
    reader.run()
    media = listener.of(MediaPacket)
    assert len({message.epoch for message in media}) == 2
    second = [message for message in media if message.epoch > 1000]
    assert (second[0].index, second[0].unit, second[0].keyframe) == (0, 0, True)


def test_a_parent_that_is_gone_ends_the_reading(clip: Path) -> None:
    ours, theirs = multiprocessing.Pipe(duplex=True)
    ours.close()
    with pytest.raises(ParentGoneError):
        StreamReader(Job("s", str(clip), False, 1, 10.0, 0.2), ParentPipe(theirs), now_s=Hurry()).run()


# --- pace ---------------------------------------------------------------------------------------------------


def test_a_file_is_read_at_its_own_speed() -> None:
    pace = Pace()
    assert pace.wait_s(Fraction(5), 100.0) == 0.0
    assert pace.wait_s(Fraction(6), 100.25) == pytest.approx(0.75)
    assert pace.wait_s(Fraction(6), 101.1) == pytest.approx(-0.1)


def test_a_late_reading_does_not_catch_up_in_a_burst() -> None:
    pace = Pace()
    pace.wait_s(Fraction(0), 100.0)
    assert pace.wait_s(Fraction(1), 101.0 + LARGEST_LAG_S + 3) == 0.0
    assert pace.wait_s(Fraction(2), 101.0 + LARGEST_LAG_S + 3) == pytest.approx(1.0)


# --- one epoch ----------------------------------------------------------------------------------------------


class FakeParentPipe:
    """Refuses the samples whose number is in `busy`."""

    def __init__(self, busy: Iterable[int] = ()) -> None:
        self.counters: Counter[str] = Counter()
        self.busy, self.offered = set(busy), 0
        self.sent: list[Any] = []

    def send(self, raw: bytes) -> None:
        self.sent.append(unpack(raw))

    def offer(self, raw: bytes) -> bool:
        self.offered += 1
        if self.offered - 1 in self.busy:
            return False
        self.send(raw)
        return True


class FakePicture:
    """A picture of one scene at a time in milliseconds."""

    size_wh = (640, 360)

    def __init__(self, pts: int, scene: int = 0, *, broken: bool = False) -> None:
        self.pts, self.time, self._scene, self._broken = pts, Fraction(pts, 1000), scene, broken

    def thumbnail(self) -> NDArray[np.uint8]:
        return np.random.default_rng(self._scene).integers(0, 255, (36, 64)).astype(np.uint8)

    def jpeg(self, size_wh: tuple[int, int]) -> bytes:
        if self._broken:
            raise PictureError("no JPEG")
        return b"jpeg"


def writer_to(parent_pipe: Any) -> EpochWriter:
    return EpochWriter("s", 7, START, Command(10.0, 0.2), parent_pipe)


def write(pictures: Iterable[Any], busy: Iterable[int] = ()) -> FakeParentPipe:
    parent_pipe = FakeParentPipe(busy)
    writer = writer_to(parent_pipe)
    for picture in pictures:
        writer.add_picture(picture)
    return parent_pipe


def test_a_refused_sample_is_counted_and_keeps_its_number() -> None:
    parent_pipe = write([FakePicture(0), FakePicture(100), FakePicture(200)], busy={1})
    assert [(frame.seq, frame.pts) for frame in parent_pipe.sent] == [(0, 0), (2, 200)]
    assert parent_pipe.counters == {"samples_dropped": 1}


def test_a_cut_whose_sample_is_lost_is_a_hole_and_not_told_with_the_next_one() -> None:
    """Told with the next one, the frames between the cut and that one belonged to no scene, and a stranger left clear.

    A hole in the numbers makes the detector withhold what would bracket them.
    """
    parent_pipe = write([FakePicture(0), FakePicture(100, 1), FakePicture(200, 1), FakePicture(300, 1)], busy={1})
    sent = [(frame.seq, frame.pts, frame.scene_cut) for frame in parent_pipe.sent]
    assert sent == [(0, 0, False), (2, 200, False), (3, 300, False)]
    waiting = WaitingFrames()
    for frame in parent_pipe.sent:
        waiting.offer(frame, 0, 0.0)
    answered = []
    for _ in parent_pipe.sent:
        for job in waiting.take(1):
            answered.append((job.frame.pts, job.frame.scene_cut))
            waiting.finish(job, published=True)
    assert answered == [(0, False), (300, True)]


def test_the_last_picture_is_looked_at_so_that_the_end_is_known() -> None:
    parent_pipe = FakeParentPipe()
    writer = writer_to(parent_pipe)
    for pts in (0, 30, 60):
        picture: Any = FakePicture(pts)
        writer.add_picture(picture)
    writer.end()
    assert [message.pts for message in parent_pipe.sent if isinstance(message, SampledFrame)] == [0, 60]
    assert parent_pipe.sent[-1].end_of_epoch


def test_a_sample_carries_the_fingerprint_of_its_picture() -> None:
    (sample,) = write([FakePicture(0, scene=3)]).sent
    assert sample.fingerprint == fingerprint(FakePicture(0, scene=3).thumbnail())


def test_messages_tell_how_many_video_packets_were_before_them() -> None:
    parent_pipe = FakeParentPipe()
    writer = writer_to(parent_pipe)
    for track in ("video", "audio", "video", "audio"):
        writer.add_packet(PacketRead(track, Times(0, 0, 0), MS, True, b"x"))
    writer.end()
    assert [(message.track, message.unit) for message in parent_pipe.sent] == [
        ("video", 0), ("audio", 1), ("video", 1), ("audio", 2), ("video", 2)
    ]  # fmt: skip


def test_sound_that_begins_or_changes_tells_its_parameters_and_keyframes_repeat_them() -> None:
    parent_pipe = FakeParentPipe()
    writer = writer_to(parent_pipe)
    first, second = (
        CodecParameters(track="audio", codec="aac", time_base=MS, extradata=extradata) for extradata in (b"1", b"2")
    )
    for key, parameters in (
        (True, None), (True, first), (True, first), (False, None), (True, None), (True, second), (True, None)
    ):  # fmt: skip
        track: Literal["video", "audio"] = "audio" if parameters else "video"
        writer.add_packet(PacketRead(track, Times(0, 0, 0), MS, key, b"x", parameters))
    told = [[codec.extradata for codec in message.codecs if codec.track == "audio"] for message in parent_pipe.sent]
    assert told == [[], [b"1"], [], [], [b"1"], [b"2"], [b"2"]]
    assert all(message.codecs[0].track == "video" for message in parent_pipe.sent if message.codecs)


def test_what_the_source_says_of_its_sound_is_reported(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.flv")
    data = bytearray(clip.read_bytes())
    at = 13
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if data[at] == 8 and data[at + 12] == 0:
            data[at + 12] = 2  # AAC's header is none any more
        at += 11 + size + 4
    clip.write_bytes(data)
    assert "AAC comes without the header" in read(clip).of(Report)[-1].note


def test_a_picture_that_can_not_be_converted_is_a_dropped_sample() -> None:
    parent_pipe = write([FakePicture(0), FakePicture(100, broken=True), FakePicture(200)])
    assert [frame.pts for frame in parent_pipe.sent] == [0, 200]
    assert parent_pipe.counters == {"samples_dropped": 1}


def test_a_packet_that_is_too_large_leaves_a_hole() -> None:
    parent_pipe = FakeParentPipe()
    writer = writer_to(parent_pipe)
    for size in (10, 17 * 1024**2, 10):
        writer.add_packet(PacketRead("video", Times(0, 0, 0), MS, True, b"x" * size))
    assert [(packet.index, packet.unit) for packet in parent_pipe.sent] == [(0, 0), (2, 2)]
    assert parent_pipe.counters == {"packets_too_large": 1}
