"""Draws the frames of a script, and says the truth about each: which face is where."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box
from synthetic import framecode
from synthetic.cast import CastError, Person, package_folder
from synthetic.pictures import read_picture
from synthetic.scene import Actor, FaceTruth, Scene, Script, Waypoint, clip_face, widest

FLASH_SECONDS = 0.1
"""The strip flashes, and the clip beeps, for this long from every whole second on."""
_LAMP = (1.15, 0.80)
_BACKDROPS: Mapping[str, tuple[str, tuple[float, float, float], tuple[float, float]]] = {
    "gravel": ("gravel.png", (1.05, 0.95, 0.80), _LAMP),
    "grass": ("grass.png", (0.65, 1.05, 0.75), _LAMP),
    "brick": ("brick.png", (0.70, 0.80, 1.20), _LAMP),
    "studio": ("gravel.png", (1.00, 0.95, 0.90), (1.80, 0.20)),
    "hall": ("brick.png", (0.90, 1.00, 1.10), (0.30, 1.70)),
}
"""Texture in scikit-image's data folder, its tint (blue, green, red), and how bright it is on the left and the right:
a lamp makes no two places look the same. The studio's is so strong that the picture as a whole stays alike when the
frame code or the people in it change: where there is one person only, either looks like a scene cut elsewhere. The
hall is lit from the other side: a cut to it changes every part of the picture, as cuts between two real places do."""
_CONTRAST = 0.6  # a texture at full contrast would eat the bit rate that the faces need
_CLOSE_UP = 1.1  # cut-outs are kept this much larger than they ever appear, so that drawing only ever shrinks a little


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame: its number, BGR pixels (uint8 [H, W, 3]) and the faces in it."""

    number: int
    image: NDArray[np.uint8]
    faces: tuple[FaceTruth, ...]


@dataclass(frozen=True, slots=True)
class _Sprite:
    """A cut-out at about the size it appears in a scene; colours premultiplied with alpha."""

    colour: NDArray[np.float32]
    alpha: NDArray[np.float32]
    face: Box


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Where a sprite landed: the corner of its patch in the frame, its alpha there, and its face, not clipped."""

    person: str
    corner_xy: tuple[int, int]
    alpha: NDArray[np.float32]
    face: Box


def render(script: Script, cast: Mapping[str, Person]) -> Iterator[Picture]:
    """Yield the frames of a script in order. The same script and cast give the same pixels, always.

    Raises:
        CastError: the script names somebody who is not in the cast, or a texture is not installed.
    """
    strangers = {actor.person for scene in script.scenes for actor in scene.actors} - set(cast)
    if strangers:
        raise CastError(f"not in the cast: {', '.join(sorted(strangers))}")
    on_air: Scene | None = None
    for index in range(script.frame_count):
        scene = script.scene_at(index / script.fps)
        if scene is not on_air:
            on_air, backdrop, sprites = scene, _backdrop(scene.backdrop, script.size_wh), _sprites(scene, script, cast)
        yield _draw(script, scene, index, backdrop, sprites)


def _draw(
    script: Script, scene: Scene, index: int, backdrop: NDArray[np.uint8], sprites: Mapping[str, _Sprite]
) -> Picture:
    image = backdrop.copy()
    time_s = index / script.fps
    placed = ((actor, actor.at(time_s)) for actor in scene.actors)
    drawn = [_paste(image, actor, place, sprites[actor.person]) for actor, place in placed if place is not None]
    number = script.first_number + index
    framecode.draw(image, number, flash=time_s % 1 < FLASH_SECONDS - 1e-9)
    return Picture(number, image, _truth(drawn, script.size_wh))


def _truth(drawn: list[_Drawn], size_wh: tuple[int, int]) -> tuple[FaceTruth, ...]:
    area_wh = (size_wh[0], size_wh[1] - framecode.strip_height(size_wh[1]))
    faces = []
    for index, one in enumerate(drawn):
        face = clip_face(one.person, one.face, area_wh)
        if face is not None:
            faces.append(replace(face, occluded=_hidden_share(face.box, drawn[index + 1 :])))
    return tuple(faces)


def _hidden_share(box: Box, in_front: list[_Drawn]) -> float:
    left, top, right, bottom = (round(edge) for edge in box)
    hidden = np.zeros((max(1, bottom - top), max(1, right - left)), dtype=bool)
    for one in in_front:
        x, y = one.corner_xy
        height, width = one.alpha.shape
        x1, y1, x2, y2 = max(left, x), max(top, y), min(right, x + width), min(bottom, y + height)
        if x1 < x2 and y1 < y2:
            hidden[y1 - top : y2 - top, x1 - left : x2 - left] |= one.alpha[y1 - y : y2 - y, x1 - x : x2 - x] > 0.5
    return float(hidden.mean())


def _paste(image: NDArray[np.uint8], actor: Actor, place: Waypoint, sprite: _Sprite) -> _Drawn:
    """Blend a sprite into the image in place, to a fraction of a pixel."""
    height, width = image.shape[:2]
    scale = place.width * width / sprite.face.width
    centre_x, centre_y = sprite.face.centre
    shift_x, shift_y = place.centre_xy[0] * width - centre_x * scale, place.centre_xy[1] * height - centre_y * scale
    x1, y1 = max(0, int(np.floor(shift_x))), max(0, int(np.floor(shift_y)))
    x2 = min(width, int(np.ceil(shift_x + sprite.alpha.shape[1] * scale)))
    y2 = min(height, int(np.ceil(shift_y + sprite.alpha.shape[0] * scale)))
    edges = sprite.face
    face = Box(
        edges.x1 * scale + shift_x, edges.y1 * scale + shift_y, edges.x2 * scale + shift_x, edges.y2 * scale + shift_y
    )
    if x1 >= x2 or y1 >= y2:
        return _Drawn(actor.person, (0, 0), np.zeros((0, 0), dtype=np.float32), face)
    # Pixel centres lie at half pixels: hence the 0.5 (scale - 1).
    half = 0.5 * (scale - 1)
    matrix = np.array([[scale, 0, shift_x - x1 + half], [0, scale, shift_y - y1 + half]], dtype=np.float64)
    colour = cv2.warpAffine(sprite.colour, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR)
    alpha = np.asarray(cv2.warpAffine(sprite.alpha, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR))
    patch = image[y1:y2, x1:x2]
    patch[:] = np.clip(colour + patch * (1 - alpha[..., None]) + 0.5, 0, 255).astype(np.uint8)
    return _Drawn(actor.person, (x1, y1), alpha, face)


def _sprites(scene: Scene, script: Script, cast: Mapping[str, Person]) -> dict[str, _Sprite]:
    return {name: _sprite(cast[name], share * script.size_wh[0] * _CLOSE_UP) for name, share in widest(scene).items()}


def _sprite(person: Person, face_width_px: float) -> _Sprite:
    """Shrink a cut-out once, with an area filter, so that drawing it with a linear filter does not alias."""
    scale = min(1.0, face_width_px / person.face.width)
    colour = person.cutout.astype(np.float32) * person.alpha[..., None]
    height, width = person.alpha.shape
    small_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    scale_x, scale_y = small_wh[0] / width, small_wh[1] / height
    return _Sprite(
        colour=np.asarray(cv2.resize(colour, small_wh, interpolation=cv2.INTER_AREA)),
        alpha=np.asarray(cv2.resize(person.alpha, small_wh, interpolation=cv2.INTER_AREA)),
        face=Box(
            person.face.x1 * scale_x, person.face.y1 * scale_y, person.face.x2 * scale_x, person.face.y2 * scale_y
        ),
    )


def _backdrop(name: str, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    if name not in _BACKDROPS:
        raise CastError(f"no backdrop {name!r}; there are {', '.join(_BACKDROPS)}")
    file_name, tint, lamp = _BACKDROPS[name]
    folder = package_folder("skimage", "data")
    texture = None if folder is None else read_picture(folder / file_name, grey=True)
    if texture is None:
        raise CastError(f"scikit-image's {file_name} is missing; run scripts/setup --demo")
    width, height = size_wh
    tiles = cv2.copyMakeBorder(
        texture, 0, max(0, height - texture.shape[0]), 0, max(0, width - texture.shape[1]), cv2.BORDER_REFLECT
    )
    flat = 110 + (tiles[:height, :width].astype(np.float32) - texture.mean()) * _CONTRAST
    light = np.linspace(*lamp, width, dtype=np.float32)
    return np.asarray(np.clip((flat * light)[..., None] * np.array(tint, np.float32), 0, 255).astype(np.uint8))
