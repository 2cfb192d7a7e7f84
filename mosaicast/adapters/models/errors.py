"""What can go wrong with a model. Whose fault it is, and whether to try again."""

from typing import Literal


class ModelError(Exception):
    """Base: a model that is missing, broken, or failed on one input.

    Whoever runs a model treats any of these as "no answer", never as "no face".
    """

    fault: Literal["operator", "package", "input"] = "package"
    retry: bool = False


class ModelUnavailableError(ModelError):
    """The library or the weights are not installed, or the chosen device is not there; the text says what to do."""

    fault = "operator"


class ModelBrokenError(ModelError):
    """The weights are not what this version was written for."""


class InferenceError(ModelError):
    """One run failed or gave numbers that mean nothing. The next input may work."""

    fault = "input"
    retry = True
