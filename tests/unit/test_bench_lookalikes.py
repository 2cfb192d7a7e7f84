"""The safety bench: clips are replayed at every phase, and a stranger who would be shown is found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import lookalike_people as people
from bench import swaps
from bench.lookalike_looks import farthest_apart, mean_of, tracks_of, windows
from bench.lookalike_people import Enrolled, Strangers
from bench.lookalike_replay import PERSON, replayed_alone
from bench.networks import WITNESS
from bench.seen import SeenClip, packed, row_of, sampled, unpacked
from mosaicast.adapters.embedders import Embedded, Embedder
from mosaicast.contracts.messages import Detections, TimeBase
from tests.fakes.embedder import FakeEmbedder
from tests.services.recognizer.fakes import detections, face

NETWORKS: dict[str, Embedder] = {"first": FakeEmbedder(name="first"), "second": FakeEmbedder(name="second")}
ANN, BOB = np.array((1.0, 0.0), np.float32), np.array((0.0, 1.0), np.float32)
FRAMES = 120


def clip(bob: np.ndarray = BOB, fps: int = 30, cut_at: int | None = None) -> SeenClip:
    """Ann at the left, Bob at the right; the networks see `bob` in him, the witness knows who he is."""
    frames: list[Detections] = []
    for number in range(FRAMES):
        faces = [face(x, jpeg=(2 * number + place).to_bytes(4, "big")) for place, x in enumerate((100.0, 600.0))]
        cut: dict[str, Any] = {"scene_cut": True} if number == cut_at else {}
        frames.append(detections(number, *faces, time_base=TimeBase(1, fps), **cut))
    seen, known = np.stack([ANN, bob] * FRAMES), np.stack([ANN, BOB] * FRAMES)
    lengths = np.ones(2 * FRAMES, np.float32)
    embedded = {name: Embedded(seen, lengths) for name in NETWORKS} | {WITNESS: Embedded(known, lengths)}
    return SeenClip("clip1.mp4", frames, embedded)


def ann(scene: str = "video/enrol") -> Enrolled:
    return Enrolled("ann", "photos", scene, dict.fromkeys([*NETWORKS, WITNESS], ANN[None]))


@pytest.mark.parametrize(("fps", "phases"), [(30, 3), (25, 2), (10, 1), (5, 1)])
def test_a_clip_has_as_many_phases_as_frames_between_two_samples(fps: int, phases: int) -> None:
    assert len(clip(fps=fps).phases) == phases


def test_each_phase_samples_other_frames() -> None:
    chosen = [[frame.time for frame in sampled(clip().frames, phase)] for phase in range(3)]
    assert chosen[1][0] == clip().frames[1].time
    assert all(len(one) == pytest.approx(FRAMES / 3, abs=1) for one in chosen)
    assert not set(chosen[0]) & set(chosen[1])


def test_both_sides_of_a_cut_are_sampled_and_numbers_follow_one_another() -> None:
    found = list(sampled(clip(cut_at=50).frames))
    times = [frame.time for frame in found]
    assert {clip().frames[49].time, clip().frames[50].time} <= set(times)
    assert [(frame.seq, frame.after_seq) for frame in found] == [(n, n - 1) for n in range(len(found))]


def test_crops_of_every_third_sample_and_of_each_scene() -> None:
    found = list(sampled(clip(cut_at=50).frames, crops_every=3))
    with_crops = [frame.seq for frame in found if frame.faces[0].crop is not None]
    cut = next(frame.seq for frame in found if frame.scene_cut)
    assert set(with_crops) == {*range(0, len(found), 3), cut}


def test_a_clip_is_kept_as_it_was_seen(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **packed(clip()))  # type: ignore[arg-type]
    with np.load(tmp_path / "a.npz") as arrays:
        again = unpacked("clip1.mp4", arrays)
    assert again.frames == clip().frames
    assert row_of(again.frames[3].faces[1]) == 7
    assert again.embedded["first"].vectors.tolist() == clip().embedded["first"].vectors.tolist()


def test_windows_hold_five_looks_of_one_track() -> None:
    track = next(one for one in tracks_of(clip()) if one.rows[0] == 0)
    found = list(windows(track))
    assert [len(rows) for _, rows in found][:4] == [3, 4, 5, 5]
    assert all(row % 2 == 0 for _, rows in found for row in rows), "Ann's"
    assert found[-1][1][-1] == track.rows[-1]


def test_looks_that_show_more_of_a_face_count_for_more() -> None:
    mean = mean_of(Embedded(np.stack([ANN, BOB]), np.array((3.0, 1.0), np.float32)), [0, 1])
    assert mean.tolist() == pytest.approx([0.9487, 0.3162], abs=1e-4)


def test_templates_lie_far_apart() -> None:
    angles = np.radians([0, 1, 2, 45, 90])
    assert set(farthest_apart(np.stack([np.cos(angles), np.sin(angles)], axis=1), 3)) >= {0, 4}
    assert farthest_apart(np.zeros((0, 2), np.float32)) == []


def test_who_is_somebody_else_is_said_by_labels_and_by_the_witness() -> None:
    found = Strangers()
    found.add("ann 1", "set", "ann", "ann 1", {WITNESS: ANN})
    found.add("bob 1", "set", "bob", "bob 1", {WITNESS: ANN})
    found.add("clip 0 s", "clip", people.TRACK, "clip 0 1", {WITNESS: ANN})
    found.add("clip 0 s", "clip", people.TRACK, "clip 0 2", {WITNESS: BOB})
    one = Enrolled("ann", "photos", "set", {WITNESS: ANN[None]})
    surely, unsure = people.somebody_else(one, found, np.array([1.0, 1.0, 0.9, 0.0], np.float32))
    assert surely.tolist() == [False, True, False, True]
    assert unsure == 0


def test_a_track_of_the_same_clip_is_somebody_else_if_it_was_beside_or_is_unlike() -> None:
    found = Strangers()
    for key in ("clip 0 1", "clip 0 2", "clip 0 3"):
        found.add("clip", "clip", people.TRACK, key, {WITNESS: ANN})
    one = Enrolled("clip #0", "track", "clip", {WITNESS: ANN[None]}, beside=frozenset({"clip 0 1"}))
    alike = (people.UNSURE + people.SAME) / 2
    surely, unsure = people.somebody_else(one, found, np.array([alike, alike, 0.0], np.float32))
    assert surely.tolist() == [True, False, True]
    assert unsure == 1


def test_the_person_is_seen_and_nobody_else() -> None:
    outcome = replayed_alone(ann(), clip(), NETWORKS, (1, 3))
    assert outcome.replays == 6
    assert outcome.own > outcome.replays * 10
    assert outcome.wrong == 0


def test_a_lookalike_is_found() -> None:
    outcome = replayed_alone(ann(), clip(bob=ANN), NETWORKS, (1,))
    assert outcome.own == 0, "two who claim one person are both masked"
    alone = clip(bob=ANN)
    without_ann = [swaps.with_faces(frame, frame.faces[1:]) for frame in alone.frames]
    outcome = replayed_alone(ann(), SeenClip(alone.name, without_ann, alone.embedded), NETWORKS, (1,))
    assert outcome.wrong > 10


@pytest.mark.parametrize("jump", [False, True])
def test_a_stranger_in_the_persons_place_leaves_masked(jump: bool) -> None:
    guest = swaps.Stranger("clip", [swaps.moved(clip().frames[0].faces[1], 1)], "frontal")
    one = swaps.swapped(clip(), guest, swaps.BEFORE, {PERSON: ann().vectors}, NETWORKS, jump=jump)
    assert one.was_clear
    assert one.frames == swaps.AFTER
    assert one.shown == 0


def test_a_stranger_whom_nothing_tells_apart_is_told() -> None:
    guest = swaps.Stranger("clip", [swaps.moved(clip().frames[0].faces[0], 0)], "frontal")
    one = swaps.swapped(clip(), guest, swaps.BEFORE, {PERSON: ann().vectors}, NETWORKS, jump=False)
    assert one.shown >= swaps.AFTER - 5, "all, but those at the end whose verdicts do not come"
    assert not swaps.summary([one])["holds"]
