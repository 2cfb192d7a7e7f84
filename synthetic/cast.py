"""The cast of the synthetic broadcast: people cut from photographs that ship inside Python packages.

Two people come with scikit-image and matplotlib, four more with ultralytics. Only the photographs are used, not the
packages: copies that the set-up has unpacked are enough.
"""

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box
from synthetic.pictures import read_picture

ASSETS_VARIABLE = "MOSAICAST_DEMO_ASSETS"
_SETUP_CAST = Path(__file__).parents[1] / ".cache" / "demo-cast"
"""Where the set-up has unpacked the photographs of packages."""
_SETUP_ASSETS = _SETUP_CAST / "ultralytics" / "assets"
_FEATHER_SHARE = 0.012  # of the cut-out's longer side: about a hair's width, so that no hard edge betrays a cut-out

_FADE_SHARE = 0.06  # the lowest rows of a bust fade out


class CastError(Exception):
    """A photograph that should lie in a package is missing or unreadable. The installation's fault; no use to retry."""


@dataclass(frozen=True, slots=True)
class Person:
    """One member of the cast.

    Attributes:
        name: id used in scripts and truth.
        photo: uint8 [H, W, 3] BGR with this one face in it, to enroll the person from.
        cutout: uint8 [h, w, 3] BGR, head and shoulders.
        alpha: float32 [h, w], 1 where the cut-out is opaque.
        face: the face in pixels of the cut-out, hairline to chin and cheek to cheek, measured by eye.
    """

    name: str
    photo: NDArray[np.uint8]
    cutout: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    face: Box


@dataclass(frozen=True, slots=True)
class _Portrait:
    """Where a person is in a photograph; all in its pixels, measured by eye on a 4x enlargement."""

    image: str
    photo_xyxy: tuple[int, int, int, int]
    face_xyxy: tuple[int, int, int, int]
    outline: tuple[tuple[int, int], ...]


_PORTRAITS: Mapping[str, _Portrait] = {
    "astronaut": _Portrait(
        "astronaut.png",
        (0, 0, 512, 512),
        (180, 72, 270, 181),
        (
            (22, 511), (30, 380), (40, 300), (60, 262), (110, 238), (112, 195), (128, 165), (150, 150), (180, 148),
            (181, 132), (168, 126), (158, 112), (152, 85), (154, 62), (168, 48), (188, 34), (205, 22), (235, 14),
            (262, 20), (285, 35), (297, 60), (302, 85), (296, 108), (282, 130), (268, 136), (259, 160), (258, 174),
            (278, 185), (297, 208), (303, 232), (302, 250), (330, 262), (350, 285), (360, 340), (320, 375), (292, 410),
            (278, 450), (275, 511),
        ),
    ),
    "admiral": _Portrait(
        "grace_hopper.jpg",
        (0, 0, 512, 600),
        (176, 132, 356, 335),
        (
            (16, 599), (20, 540), (30, 470), (38, 390), (60, 370), (100, 355), (150, 342), (185, 325), (200, 310),
            (192, 295), (168, 285), (161, 262), (166, 240), (157, 215), (154, 190), (160, 180), (150, 170), (148, 130),
            (153, 100), (165, 85), (176, 78), (180, 60), (200, 45), (220, 38), (232, 28), (255, 22), (280, 26),
            (300, 40), (325, 50), (345, 68), (352, 85), (362, 86), (368, 100), (371, 130), (370, 170), (376, 195),
            (368, 225), (362, 262), (358, 290), (340, 306), (330, 312), (350, 333), (400, 355), (450, 375), (490, 400),
            (505, 430), (511, 470), (511, 599),
        ),
    ),
    "player": _Portrait(
        "zidane.jpg",
        (100, 120, 740, 720),
        (548, 245, 664, 454),
        (
            (122, 719), (160, 660), (176, 600), (173, 560), (186, 480), (216, 400), (251, 335), (290, 323), (400, 323),
            (440, 311), (476, 302), (482, 285), (486, 265), (500, 237), (520, 217), (545, 205), (565, 203), (600, 209),
            (630, 226), (648, 250), (659, 275), (663, 300), (660, 315), (659, 345), (660, 368), (666, 385), (667, 420),
            (666, 480), (662, 530), (660, 600), (662, 719),
        ),
    ),
    "coach": _Portrait(
        "zidane.jpg",
        (740, 0, 1280, 400),
        (908, 98, 1053, 278),
        (
            (753, 400), (757, 370), (776, 330), (806, 298), (850, 276), (890, 250), (904, 222), (898, 205), (895, 165),
            (894, 130), (901, 100), (916, 75), (945, 53), (975, 43), (1000, 44), (1030, 53), (1050, 73), (1065, 95),
            (1070, 120), (1065, 145), (1056, 165), (1052, 200), (1044, 230), (1030, 255), (1022, 270), (1025, 295),
            (1045, 315), (1070, 345), (1084, 385), (1087, 400),
        ),
    ),
    "pedestrian_a": _Portrait(
        "bus.jpg",
        (20, 340, 220, 640),
        (112, 416, 156, 472),
        (
            (62, 640), (61, 570), (63, 540), (63, 510), (66, 495), (80, 479), (98, 466), (98, 450), (104, 440),
            (103, 432), (106, 415), (112, 405), (130, 400), (148, 404), (157, 412), (158, 425), (155, 440), (153, 458),
            (150, 466), (160, 478), (172, 490), (180, 510), (186, 535), (195, 550), (199, 565), (196, 600), (192, 640),
        ),
    ),
    "pedestrian_b": _Portrait(
        "bus.jpg",
        (215, 350, 395, 640),
        (268, 419, 307, 474),
        (
            (228, 640), (236, 560), (239, 520), (244, 495), (260, 480), (272, 470), (269, 455), (265, 445), (264, 425),
            (265, 412), (275, 409), (292, 408), (302, 414), (306, 425), (309, 440), (307, 455), (302, 466), (302, 472),
            (310, 482), (328, 490), (334, 510), (339, 540), (341, 560), (334, 568), (325, 572), (335, 640),
        ),
    ),
}  # fmt: skip


def load_cast(assets_dir: Path | None = None) -> dict[str, Person]:
    """Return everybody whose photograph is installed, by name, always in the same order.

    Args:
        assets_dir: folder with ultralytics' zidane.jpg and bus.jpg. By default $MOSAICAST_DEMO_ASSETS, then what the
            set-up unpacked, then an installed ultralytics. Without any of them the cast has two people.

    Raises:
        CastError: a photograph is missing from its package, or does not decode.
    """
    folders = _photo_folders(assets_dir)
    paths = {name: _find(portrait.image, folders) for name, portrait in _PORTRAITS.items()}
    missing = [name for name in ("astronaut", "admiral") if paths[name] is None]
    if missing:
        raise CastError(f"no photograph of {' and '.join(missing)}: run scripts/setup --demo")
    return {name: _cut(name, _PORTRAITS[name], _read(path)) for name, path in paths.items() if path is not None}


def jpeg(photo: NDArray[np.uint8]) -> bytes:
    """Encode a BGR photograph as JPEG, to upload it for enrollment."""
    done, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not done:
        raise CastError("the photograph does not encode as JPEG")
    return bytes(data)


def package_folder(package: str, *parts: str) -> Path | None:
    """Return a data folder of a package that is installed, or that the set-up has unpacked; None if it is not there."""
    spec = importlib.util.find_spec(package)
    places = [_SETUP_CAST / package]
    if spec is not None and spec.origin is not None:
        places.insert(0, Path(spec.origin).parent)
    folders = (place.joinpath(*parts) for place in places)
    return next((folder for folder in folders if folder.is_dir()), None)


def _photo_folders(assets_dir: Path | None) -> list[Path]:
    named = assets_dir or (Path(os.environ[ASSETS_VARIABLE]) if os.environ.get(ASSETS_VARIABLE) else None)
    optional = [named] if named else [_SETUP_ASSETS, package_folder("ultralytics", "assets")]
    always = [package_folder("skimage", "data"), package_folder("matplotlib", "mpl-data", "sample_data")]
    return [folder for folder in (*always, *optional) if folder is not None]


def _find(image: str, folders: list[Path]) -> Path | None:
    return next((folder / image for folder in folders if (folder / image).is_file()), None)


def _read(path: Path) -> NDArray[np.uint8]:
    image = read_picture(path)
    if image is None:
        raise CastError(f"{path.name} does not decode")
    return image


def _cut(name: str, portrait: _Portrait, image: NDArray[np.uint8]) -> Person:
    points = np.array(portrait.outline, dtype=np.int32)
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0) + 1
    alpha = _soft_mask(points - (left, top), (int(right - left), int(bottom - top)))
    x1, y1, x2, y2 = portrait.photo_xyxy
    fx1, fy1, fx2, fy2 = portrait.face_xyxy
    return Person(
        name=name,
        photo=np.ascontiguousarray(image[y1:y2, x1:x2]),
        cutout=np.ascontiguousarray(image[top:bottom, left:right]),
        alpha=alpha,
        face=Box(float(fx1 - left), float(fy1 - top), float(fx2 - left), float(fy2 - top)),
    )


def _soft_mask(outline: NDArray[np.int32], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Fill the outline and soften its edge inwards, so that nothing of the photograph's own background shows."""
    mask = np.zeros((size_wh[1], size_wh[0]), dtype=np.uint8)
    cv2.fillPoly(mask, [outline], (255,))
    reach = max(1, round(max(size_wh) * _FEATHER_SHARE))
    # Outside the picture counts as outside the person, except below: a bust goes on there.
    padded = cv2.copyMakeBorder(mask, reach, 0, reach, reach, cv2.BORDER_CONSTANT, value=(0,))
    padded = cv2.copyMakeBorder(padded, 0, reach, 0, 0, cv2.BORDER_REPLICATE)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[reach:-reach, reach:-reach]
    fade = np.minimum(1.0, np.arange(size_wh[1], 0, -1) / (size_wh[1] * _FADE_SHARE))[:, None]
    return np.asarray(np.clip(inside / reach, 0.0, 1.0) * fade, dtype=np.float32)
