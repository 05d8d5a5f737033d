"""The exceptions of the application: input that cannot be used, training that cannot go on, an end told elsewhere."""


class InputError(ValueError):
    """A recipe, file or argument that cannot be used.

    The message is one sentence: what was given, what is allowed, how to mend it. The command line
    prints it without a traceback and exits with code 2.
    """


class TrainingError(RuntimeError):
    """Training cannot go on although the recipe is well-formed.

    The message is one sentence: what happened, how to mend it. The command line prints it without a traceback and exits
    with code 1.
    """


class StoppedError(Exception):
    """One of several processes ends because of another, which says why; the command line prints nothing of it.

    Args:
        bad_input: whether it was an :class:`InputError`.
    """

    def __init__(self, bad_input: bool = False) -> None:
        super().__init__()
        self.bad_input = bad_input


class TailwiseWarning(RuntimeWarning):
    """What a user should know and nothing stops for; the command line prints it as one line."""


def first_line(error: BaseException) -> str:
    """What another library's error says first, for a message of one line; its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
