"""The sample of docs/tutorial.md: a broadcast that can be published as it is, and a photo to enroll somebody from."""

from pathlib import Path

import av
import pytest
from PIL import Image

from synthetic import presets, sample


def test_both_files_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(presets, "demo", lambda _: presets.small(["astronaut"], seconds=1))
    folder = tmp_path / "new" / "folder"
    assert sample.main([str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(folder / "broadcast.flv"), str(folder / "astronaut.jpg")]
    with av.open(str(folder / "broadcast.flv")) as clip:
        assert sorted(stream.codec_context.name for stream in clip.streams) == ["aac", "h264"]
    with Image.open(folder / "astronaut.jpg") as photo:
        assert (photo.format, photo.size) == ("JPEG", (512, 512))


def test_a_folder_that_cannot_be_made_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(presets, "demo", lambda _: presets.small(["astronaut"], seconds=1))
    (tmp_path / "file").write_text("")
    assert sample.main([str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("sample: ")
