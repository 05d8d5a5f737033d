"""What error messages are matched with."""

from __future__ import annotations

import re


def one_line(*parts: object) -> str:
    """A pattern for a message of a single line that holds the parts in this order."""
    return r"\A.*" + ".*".join(re.escape(str(part)) for part in parts) + r".*\Z"
