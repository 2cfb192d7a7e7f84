"""What can go wrong with a model. Whose fault it is, and whether to try again."""

from mosaicast.pipeline.errors import ModelError

__all__ = ["InferenceError", "ModelBrokenError", "ModelError", "ModelUnavailableError"]


class ModelUnavailableError(ModelError):
    """The library or the weights are not installed, or the chosen device is not there; the text says what to do."""

    fault = "operator"


class ModelBrokenError(ModelError):
    """The weights are not what this version was written for."""


class InferenceError(ModelError):
    """One run failed or gave numbers that mean nothing. The next input may work."""

    fault = "input"
    retry = True
