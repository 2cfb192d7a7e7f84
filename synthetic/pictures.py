"""Pictures from files of ours: photographs of packages, of the bench's data. Strangers' go through a child."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def read_picture(path: Path, *, grey: bool = False) -> NDArray[np.uint8] | None:
    """Return a picture as BGR [H, W, 3] (or luma [H, W]), upright, None when there is none in the file or no file."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    if data.size == 0:
        return None
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(picture, np.uint8)


def known_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture that must be there as BGR [H, W, 3].

    Raises:
        FileNotFoundError: it is not, or does not decode.
    """
    picture = read_picture(path)
    if picture is None:
        raise FileNotFoundError(f"no picture in {path}")
    return picture
