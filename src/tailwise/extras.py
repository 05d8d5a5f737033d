"""Optional libraries: found where they are used, and named with their extra where they are missing."""

from __future__ import annotations

import importlib.util

from tailwise.errors import InputError


def require_extra(what: str, extra: str, *modules: str) -> None:
    """Refuse what needs a library that is not installed.

    Args:
        what: that needs it, for the message.
        extra: of this package that brings it.
        modules: top-level names of what must be there.

    Raises:
        InputError: one of them is not.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise InputError(f"{what} needs {module}, which is not installed; pip install 'tailwise[{extra}]'")
