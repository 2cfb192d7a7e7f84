"""Reads the weights of dlib's face recognition ResNet without dlib.

The file is dlib's stream format (dlib/serialize.h): an integer is a control byte (low four bits: number of bytes,
0x80: negative) and that many little-endian bytes; a string is its length and bytes; a tensor of version 2 is five
integers (version, samples, k, rows, columns) and raw little-endian float32. Layers follow each other from the input
to the output, each beginning with its name.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.models.errors import ModelBrokenError

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Convolution:
    """One `con_` and the `affine_` behind it, folded into one: filters [out, in, rows, columns] and bias [out]."""

    filters: Weights
    bias: Weights
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class ResnetWeights:
    """Everything that was learned: 29 convolutions from the input on, and the last matrix [256, 128]."""

    convolutions: tuple[Convolution, ...]
    projection: Weights


def parse(data: bytes) -> ResnetWeights:
    """Return the weights in the bytes of a `dlib_face_recognition_resnet_model_v1.dat`.

    Raises:
        ModelBrokenError: it is another network, or not whole.
    """
    try:
        reader = _Reader(data)
        convolutions = tuple(_convolutions(reader))
        projection = reader.projection()
    except (IndexError, OverflowError, ValueError) as exc:
        raise ModelBrokenError("dlib's weight file does not read as its ResNet") from exc
    return ResnetWeights(convolutions, projection)


def _convolutions(reader: "_Reader") -> Iterator[Convolution]:
    """Read the layers in order; the depth of each one's input is the number of filters of the one before."""
    depth = 3
    for _ in range(29):
        convolution = reader.convolution(depth)
        depth = len(convolution.bias)
        yield convolution


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def convolution(self, depth: int) -> Convolution:
        self._find(b"con_4")
        parameters = self._tensor()
        count, rows, columns, stride, stride_x, padding, padding_x = (self._integer() for _ in range(7))
        if stride != stride_x or padding != padding_x:
            raise ValueError("not square")
        filters = parameters[:-count].reshape(count, depth, rows, columns)
        self._find(b"affine_")
        gamma, beta = self._tensor().reshape(2, count)
        bias = parameters[-count:] * gamma + beta
        return Convolution(filters * gamma[:, None, None, None], bias, stride, padding)

    def projection(self) -> Weights:
        self._find(b"fc_2")
        outputs, inputs = self._integer(), self._integer()
        return self._tensor().reshape(inputs, outputs)

    def _find(self, name: bytes) -> None:
        """Go behind the next string `name`. Bytes of weights are skipped, never searched: tensors are read whole."""
        tag = bytes((1, len(name))) + name
        self._at = self._data.index(tag, self._at) + len(tag)

    def _integer(self) -> int:
        control = self._data[self._at]
        size = control & 0x0F
        value = int.from_bytes(self._data[self._at + 1 : self._at + 1 + size], "little")
        self._at += 1 + size
        return -value if control & 0x80 else value

    def _tensor(self) -> Weights:
        """Return a tensor's numbers, flat."""
        version, *shape = (self._integer() for _ in range(5))
        if version != 2:
            raise ValueError(f"tensor of version {version}")
        count = int(np.prod(shape))
        values = np.frombuffer(self._data, "<f4", count, self._at).astype(np.float32)
        self._at += 4 * count
        return values
