"""Errors of adapters after which the pipeline goes on without an answer. No answer never means "nobody"."""

from typing import Literal


class ModelError(Exception):
    """Base: a model that is missing, broken, or failed on one input.

    Whoever runs a model treats any of these as "no answer", never as "no face".
    """

    fault: Literal["operator", "package", "input"] = "package"
    retry: bool = False


class JpegError(Exception):
    """Bytes that are not a picture, or too large a one. The sender is at fault; trying again does not help."""

    fault = "input"
    retry = False


class PictureError(Exception):
    """A decoded picture that can't be converted. The content is at fault; the next picture may work."""


class DecodeError(Exception):
    """The bytes are not the video that they claim to be: the source's fault; a later keyframe may do better."""
