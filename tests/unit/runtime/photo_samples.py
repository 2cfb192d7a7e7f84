"""Made-up photos of which each turn and each colour shows."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

RED, GREEN, BLUE, GREY = (0, 0, 200), (0, 200, 0), (200, 0, 0), (90, 90, 90)


def quarters(width: int = 64, height: int = 32) -> Image.Image:
    """Red, green / blue, grey: every turn shows."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, GREY
    return Image.fromarray(picture[:, :, ::-1])


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def corners(picture: Any) -> list[tuple[int, ...]]:
    """The colours at a quarter and three quarters, row by row, to the nearest 100."""
    height, width = picture.shape[:2]
    points = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(round(int(c) / 100) * 100 for c in picture[point]) for point in points]


def nearest(*colours: tuple[int, int, int]) -> list[tuple[int, ...]]:
    return [tuple(round(c / 100) * 100 for c in colour) for colour in colours]


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    return saved(quarters(), kind, save_all=True, append_images=[quarters().transpose(Image.Transpose.ROTATE_180)])
