"""The operations of OpenVINO's graphs that our networks have, in torch. Each takes its attributes, then its tensors.

What they mean is OpenVINO's specification of its operation sets. Sizes, axes and single numbers are tensors on the CPU,
so that reading them waits for no GPU.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

Attributes = Mapping[str, Any]
Tensor = Any
"""A `torch.Tensor`, which is untyped here."""
Operation = Callable[..., Any]

_DTYPES = {
    "f16": torch.float16, "f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16, "boolean": torch.bool,
    "i8": torch.int8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8,
}  # fmt: skip


def _numbers(tensor: Tensor) -> list[int]:
    return [int(number) for number in tensor.reshape(-1).tolist()]


# --- windows over pictures ------------------------------------------------------------------------------------------

Sides = list[tuple[int, int]]
"""What is added before and after the height, and before and after the width."""


def _sides(attributes: Attributes, x: Tensor, window: Sequence[int]) -> Sides:
    kind = attributes["auto_pad"]
    if kind == "valid":
        return [(0, 0)] * len(window)
    if kind not in {"same_upper", "same_lower"}:
        return list(zip(attributes["pads_begin"], attributes["pads_end"], strict=True))
    strides, dilations = attributes["strides"], attributes.get("dilations", [1] * len(window))
    sides = []
    for size, length, stride, dilation in zip(x.shape[2:], window, strides, dilations, strict=True):
        whole = max(0, (math.ceil(size / stride) - 1) * stride + (length - 1) * dilation + 1 - size)
        less, more = whole // 2, whole - whole // 2
        sides.append((less, more) if kind == "same_upper" else (more, less))
    return sides


def _padded(x: Tensor, sides: Sides, value: float = 0.0) -> Tensor:
    if not any(map(any, sides)):
        return x
    return functional.pad(x, [side for pair in reversed(sides) for side in pair], value=value)


def _convolved(attributes: Attributes, x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    sides = _sides(attributes, x, kernel.shape[2:])
    even = all(before == after for before, after in sides)
    return functional.conv2d(
        x if even else _padded(x, sides), kernel, stride=attributes["strides"], dilation=attributes["dilations"],
        padding=[before for before, _ in sides] if even else 0, groups=groups,
    )  # fmt: skip


def _convolution(attributes: Attributes, x: Tensor, kernel: Tensor) -> Tensor:
    return _convolved(attributes, x, kernel, 1)


def _group_convolution(attributes: Attributes, x: Tensor, kernel: Tensor) -> Tensor:
    return _convolved(attributes, x, kernel.flatten(0, 1), kernel.shape[0])


def _transposed(attributes: Attributes, x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    sides = _sides({**attributes, "auto_pad": "explicit"}, x, kernel.shape[2:])
    if attributes["auto_pad"] in {"same_upper", "same_lower"} or any(before != after for before, after in sides):
        raise RuntimeError("a transposed convolution with uneven edges")
    return functional.conv_transpose2d(
        x, kernel, stride=attributes["strides"], dilation=attributes["dilations"], groups=groups,
        padding=[before for before, _ in sides], output_padding=list(attributes.get("output_padding", [0, 0])),
    )  # fmt: skip


def _transposed_convolution(attributes: Attributes, x: Tensor, kernel: Tensor) -> Tensor:
    return _transposed(dict(attributes), x, kernel, 1)


def _transposed_group_convolution(attributes: Attributes, x: Tensor, kernel: Tensor) -> Tensor:
    return _transposed(dict(attributes), x, kernel.flatten(0, 1), kernel.shape[0])


def _rounds_up(attributes: Attributes) -> bool:
    return bool(attributes["rounding_type"] != "floor")


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    padded = _padded(x, _sides(attributes, x, attributes["kernel"]), -math.inf)
    return functional.max_pool2d(
        padded, attributes["kernel"], attributes["strides"], 0, attributes.get("dilations", 1), _rounds_up(attributes)
    )


def _avg_pool(attributes: Attributes, x: Tensor) -> Tensor:
    sides = _sides(attributes, x, attributes["kernel"])

    def mean(of: Tensor) -> Tensor:
        return functional.avg_pool2d(
            _padded(of, sides), attributes["kernel"], attributes["strides"], 0, _rounds_up(attributes)
        )

    found = mean(x)
    edges_count = not any(map(any, sides)) or not attributes["exclude-pad"]
    return found if edges_count else found / mean(torch.ones_like(x[:1, :1]))


def _pad(attributes: Attributes, x: Tensor, begin: Tensor, end: Tensor, value: Tensor | None = None) -> Tensor:
    if attributes["pad_mode"] != "constant":
        raise RuntimeError(f"edges filled by {attributes['pad_mode']}")
    sides = list(zip(_numbers(begin), _numbers(end), strict=True))
    return _padded(x, sides, 0.0 if value is None else float(value))


# --- numbers one by one ---------------------------------------------------------------------------------------------


def _plain(function: Callable[..., Tensor]) -> Operation:
    return lambda _attributes, *tensors: function(*_on_one_device(tensors))


def _on_one_device(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Bring to the GPU what a graph computed from sizes, where it meets pictures (single numbers may stay)."""
    device = next((tensor.device for tensor in tensors if tensor.is_cuda), None)
    return tensors if device is None else [tensor.to(device) if tensor.dim() else tensor for tensor in tensors]


def _divide(_: Attributes, *tensors: Tensor) -> Tensor:
    one, other = _on_one_device(tensors)
    return one / other if one.is_floating_point() else torch.div(one, other, rounding_mode="floor")


def _power(_: Attributes, x: Tensor, exponent: Tensor) -> Tensor:
    return torch.pow(x, exponent.to(x.dtype) if exponent.dim() else float(exponent))


def _swish(_: Attributes, x: Tensor, beta: Tensor | None = None) -> Tensor:
    return functional.silu(x) if beta is None else x * torch.sigmoid(x * beta)


def _gelu(attributes: Attributes, x: Tensor) -> Tensor:
    tanh = str(attributes.get("approximation_mode", "erf")).lower() == "tanh"
    return functional.gelu(x, approximate="tanh" if tanh else "none")


def _prelu(_: Attributes, x: Tensor, slope: Tensor) -> Tensor:
    each = slope.reshape(1, -1, *[1] * (x.dim() - 2)) if slope.dim() == 1 and x.dim() > 1 else slope
    return torch.where(x >= 0, x, x * each)


def _normalised_batch(attributes: Attributes, x: Tensor, *learned: Tensor) -> Tensor:
    gamma, beta, mean, variance = learned
    return functional.batch_norm(x, mean, variance, gamma, beta, eps=attributes["epsilon"])


# --- over axes ------------------------------------------------------------------------------------------------------


def _reduced(function: Callable[..., Tensor]) -> Operation:
    def reduce(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
        return function(x, dim=_numbers(axes), keepdim=bool(attributes["keep_dims"]))

    return reduce


def _l2(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    return torch.sqrt(torch.sum(x * x, dim=dim, keepdim=keepdim))


def _product(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    for axis in sorted((axis % x.dim() for axis in _numbers(axes)), reverse=True):
        x = torch.prod(x, dim=axis, keepdim=bool(attributes["keep_dims"]))
    return x


def _matmul(attributes: Attributes, one: Tensor, other: Tensor) -> Tensor:
    one, other = _on_one_device((one, other))
    one = one.transpose(-1, -2) if attributes["transpose_a"] and one.dim() > 1 else one
    other = other.transpose(-1, -2) if attributes["transpose_b"] and other.dim() > 1 else other
    return torch.matmul(one, other)


def _unit_length(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    square = torch.sum(x * x, dim=_numbers(axes), keepdim=True)
    eps = float(attributes["eps"])
    return x / torch.sqrt(square + eps if attributes["eps_mode"] == "add" else square.clamp(min=eps))


def _normalised(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    dim = _numbers(axes)
    centred = x - x.mean(dim=dim, keepdim=True)
    if not attributes["normalize_variance"]:
        return centred
    variance, eps = (centred * centred).mean(dim=dim, keepdim=True), float(attributes["eps"])
    inside = str(attributes["eps_mode"]).lower() == "inside_sqrt"
    return centred / (torch.sqrt(variance + eps) if inside else torch.sqrt(variance) + eps)


# --- shapes ---------------------------------------------------------------------------------------------------------


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    wanted = _numbers(shape)
    if attributes["special_zero"]:
        wanted = [x.shape[place] if size == 0 else size for place, size in enumerate(wanted)]
    return x.reshape(wanted)


def _squeeze(_: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(_numbers(axes)))


def _unsqueeze(_: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    dims = x.dim() + axes.numel()
    for axis in sorted(axis % dims for axis in _numbers(axes)):
        x = x.unsqueeze(axis)
    return x


def _gather(attributes: Attributes, x: Tensor, indices: Tensor, axis: Tensor) -> Tensor:
    if attributes.get("batch_dims", 0) != 0:
        raise RuntimeError("gathering within batches")
    dim = int(axis) % x.dim()
    index = indices.to(device=x.device, dtype=torch.int64)
    found = x.index_select(dim, torch.where(index < 0, index + x.shape[dim], index).reshape(-1))
    return found.reshape([*x.shape[:dim], *indices.shape, *x.shape[dim + 1 :]])


def _split(attributes: Attributes, x: Tensor, axis: Tensor) -> tuple[Tensor, ...]:
    dim = int(axis) % x.dim()
    return tuple(torch.split(x, x.shape[dim] // int(attributes["num_splits"]), dim))


def _split_unevenly(_: Attributes, x: Tensor, axis: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    dim, sizes = int(axis) % x.dim(), _numbers(lengths)
    rest = x.shape[dim] - sum(size for size in sizes if size >= 0)
    return tuple(torch.split(x, [rest if size < 0 else size for size in sizes], dim))


def _slice(_: Attributes, x: Tensor, start: Tensor, stop: Tensor, step: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = range(start.numel()) if axes is None else _numbers(axes)
    cut = [slice(None)] * x.dim()
    for dim, one in zip(dims, zip(_numbers(start), _numbers(stop), _numbers(step), strict=True), strict=True):
        cut[dim] = slice(*one)
    return x[tuple(cut)]


def _strided_slice(
    attributes: Attributes, x: Tensor, begin: Tensor, end: Tensor, strides: Tensor | None = None
) -> Tensor:
    begins, ends = _numbers(begin), _numbers(end)
    steps = [1] * len(begins) if strides is None else _numbers(strides)
    masks = {name: _mask(attributes, f"{name}_mask") for name in ("begin", "end", "new_axis", "shrink_axis")}
    if _mask(attributes, "ellipsis_mask"):
        raise RuntimeError("a slice with an ellipsis")
    cut: list[Any] = []
    for place, (first, last, step) in enumerate(zip(begins, ends, steps, strict=True)):
        if place in masks["new_axis"]:
            cut.append(None)
        elif place in masks["shrink_axis"]:
            cut.append(first)
        else:
            cut.append(slice(None if place in masks["begin"] else first, None if place in masks["end"] else last, step))
    return x[tuple(cut)]


def _mask(attributes: Attributes, name: str) -> set[int]:
    return {place for place, bit in enumerate(attributes.get(name, ())) if bit}


def _broadcast(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, _numbers(shape)))


def _range(attributes: Attributes, start: Tensor, stop: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), stop.item(), step.item(), dtype=_DTYPES[str(attributes["output_type"])])


def _summed_up(attributes: Attributes, x: Tensor, axis: Tensor) -> Tensor:
    if attributes["exclusive"] or attributes["reverse"]:
        raise RuntimeError("a running sum backwards, or without its last number")
    return torch.cumsum(x, int(axis), dtype=x.dtype)


def _convert(attributes: Attributes, x: Tensor) -> Tensor:
    return x.to(_DTYPES[str(attributes["destination_type"])])


OPERATIONS: Mapping[str, Operation] = {
    "Convolution": _convolution,
    "GroupConvolution": _group_convolution,
    "ConvolutionBackpropData": _transposed_convolution,
    "GroupConvolutionBackpropData": _transposed_group_convolution,
    "MaxPool": _max_pool,
    "AvgPool": _avg_pool,
    "Pad": _pad,
    "BatchNormInference": _normalised_batch,
    "Add": _plain(torch.add),
    "Subtract": _plain(torch.sub),
    "Multiply": _plain(torch.mul),
    "Divide": _divide,
    "Maximum": _plain(torch.maximum),
    "Minimum": _plain(torch.minimum),
    "Power": _power,
    "Sqrt": _plain(torch.sqrt),
    "Exp": _plain(torch.exp),
    "Erf": _plain(torch.erf),
    "Negative": _plain(torch.neg),
    "Sin": _plain(torch.sin),
    "Cos": _plain(torch.cos),
    "LogicalNot": _plain(torch.logical_not),
    "Abs": _plain(torch.abs),
    "Relu": _plain(torch.relu),
    "Sigmoid": _plain(torch.sigmoid),
    "Tanh": _plain(torch.tanh),
    "HSigmoid": _plain(functional.hardsigmoid),
    "HSwish": _plain(functional.hardswish),
    "Swish": _swish,
    "Gelu": _gelu,
    "PRelu": _prelu,
    "Clamp": lambda attributes, x: torch.clamp(x, attributes["min"], attributes["max"]),
    "Elu": lambda attributes, x: functional.elu(x, attributes["alpha"]),
    "Softmax": lambda attributes, x: torch.softmax(x, attributes["axis"]),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    "ReduceL2": _reduced(_l2),
    "ReduceProd": _product,
    "MatMul": _matmul,
    "NormalizeL2": _unit_length,
    "MVN": _normalised,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": lambda _, x, order: x.permute(_numbers(order)),
    "Concat": lambda attributes, *tensors: torch.cat(list(_on_one_device(tensors)), attributes["axis"]),
    "Gather": _gather,
    "Split": _split,
    "VariadicSplit": _split_unevenly,
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Broadcast": _broadcast,
    "Tile": lambda _, x, times: x.tile(_numbers(times)),
    "ShapeOf": lambda _, x, *_unused: torch.tensor(x.shape, dtype=torch.int64),
    "Range": _range,
    "CumSum": _summed_up,
    "Convert": _convert,
}
"""By the name of an operation's type. MaxPool's second output is none: no network of ours asks where a maximum was."""
