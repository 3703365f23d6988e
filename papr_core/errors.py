"""The exceptions of this package.

    PaprError
    |-- InvalidInput (also a ValueError)     something the caller can correct
    |   |-- UnreadableImage                  not an image, truncated, too large
    |   |-- UnreadableClip                   not a clip, truncated, too large or too long
    |   |-- UnknownModel                     no model of this name
    |   |-- UnsupportedModel                 a model that cannot play the part asked of it
    |   `-- UnknownClass                     no class of this name, or more than one
    |-- WeightsUnavailable                   weights that cannot be had, or must not be used
    `-- Stopped                              the user's stop arrived

    PaprWarning (a UserWarning)              work goes on, and something about it should be known

Each message is one sentence that says what is wrong and what to do.
"""

__all__ = [
    "InvalidInput",
    "PaprError",
    "PaprWarning",
    "Stopped",
    "UnknownClass",
    "UnknownModel",
    "UnreadableClip",
    "UnreadableImage",
    "UnsupportedModel",
    "WeightsUnavailable",
    "reason",
    "shortened",
]


class PaprError(Exception):
    """Any error of this package that a person should read as a sentence, without a traceback."""


class InvalidInput(PaprError, ValueError):
    """A value that the caller can correct.

    >>> import papr_core
    >>> try:
    ...     papr_core.load_proposal("mobilenetv1_25")
    ... except papr_core.PaprError as error:  # any of them: the message is one sentence
    ...     print(error)
    There is no proposal named 'mobilenetv1_25'; the nearest names are mobilenetv1_125, mobilenetv1_025, ...
    """


class UnreadableImage(InvalidInput):
    """A picture that cannot be read, or is larger than is allowed."""


class UnreadableClip(InvalidInput):
    """A clip that cannot be read, or is larger or longer than is allowed."""


class UnknownModel(InvalidInput):
    """A model name that neither the catalogue, the own folder nor timm knows."""


class UnsupportedModel(InvalidInput):
    """A model that exists but cannot be a proposal, or cannot be pruned."""


class UnknownClass(InvalidInput):
    """A class that a model's labels do not hold, or a query that fits several."""


class WeightsUnavailable(PaprError):
    """Weights that are not on this machine, cannot be downloaded, are damaged, or would run code."""


class Stopped(PaprError):
    """Work that ended because the user asked for it."""

    def __init__(self, message: str = "Stopped on request.") -> None:
        super().__init__(message)


class PaprWarning(UserWarning):
    """Something that a person should know, in a sentence, of work that goes on."""


def reason(error: BaseException) -> str:
    """What another library's error says, as a part of a sentence: the first line, or its kind."""
    text = str(error).strip() or type(error).__name__
    return shortened(text.splitlines()[0])


def shortened(text: str, length: int = 200) -> str:
    """On one line of so many signs at most, without the full stop."""
    text = " ".join(text.split()).rstrip(".:")
    return text if len(text) <= length else text[: length - 3] + "..."
