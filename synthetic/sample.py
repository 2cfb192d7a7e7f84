"""A sample broadcast to try things with, and a photo of the one person in it who is there all the time.

usage: python -m synthetic.sample FOLDER
"""

import argparse
import sys
from pathlib import Path

from synthetic import presets
from synthetic.cast import CastError, jpeg, load_cast
from synthetic.clip import write_clip
from synthetic.scene import Script

CLIP, PHOTO = "broadcast.flv", "astronaut.jpg"
"""H.264 and AAC, to be published as they are; a photo to enroll the astronaut from."""


def main(argv: list[str] | None = None) -> int:
    """Write both files and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m synthetic.sample", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write; made if it is not there")
    folder = parser.parse_args(argv).folder
    try:
        written = write(folder, presets.demo(list(load_cast())))
    except (CastError, OSError) as exc:
        sys.stderr.write(f"sample: {exc}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0


def write(folder: Path, script: Script) -> tuple[Path, Path]:
    """Write the broadcast and the photo.

    Raises:
        CastError: somebody in the script is not in the cast.
        OSError: the folder can't be written.
    """
    people = load_cast()
    folder.mkdir(parents=True, exist_ok=True)
    write_clip(folder / CLIP, script, people)
    (folder / PHOTO).write_bytes(jpeg(people["astronaut"].photo))
    return folder / CLIP, folder / PHOTO


if __name__ == "__main__":
    sys.exit(main())
