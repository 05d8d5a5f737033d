"""The one exception that means: what the user gave cannot be used, and here is how to mend it."""


class InputError(ValueError):
    """A recipe, file or argument that cannot be used.

    The message is one sentence: what was given, what is allowed, how to mend it. The command line
    prints it without a traceback and exits with code 2.
    """
