"""Pages as single files with all they need inside, which ask nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import tailwise
from tailwise.errors import InputError
from tailwise.training.run_directory import write_atomically

STYLE = "page.css"
# What would end a script or open a comment, a character reference, or a line in an older JavaScript.
ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def check_page_path(path: Path, what: str = "report") -> None:
    """Refuse a place that a page cannot be written to, before anything is computed for it.

    Raises:
        InputError: it is a folder, lies below a file, or does not end in .html or .htm.
    """
    if path.is_dir():
        raise InputError(f"--out {path} is a folder; name a file, such as {path / f'{what}.html'}")
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a {what} is written as .html, got {str(path)!r}; change the ending of --out")
    above = next((folder for folder in path.parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise InputError(f"cannot write to {path}: {above} is a file; choose another --out")


def save_page(path: Path, html: str) -> None:
    """Write a page.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        write_atomically(path, html)
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror}; choose another --out") from error


def render(package: str, template: str, scripts: Sequence[str] = (), **content: Any) -> str:
    """A page from a template of a package, with the common style and a policy that lets none but its scripts run."""
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    common = {"style": Markup(asset(STYLE)), "policy": _policy(scripts), "version": tailwise.__version__}
    return environment.get_template(template).render(**common, **content)


def json_for_script(value: Any) -> str:
    """JSON that stays inside of the script element that it is written into, whatever the texts in it say."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPED)


def asset(name: str) -> str:
    """A script or style that comes with the package."""
    text = (resources.files("tailwise.report") / "assets" / name).read_text(encoding="utf-8")
    assert "</script" not in text.lower()
    assert "<!--" not in text
    return text


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded, and no script runs but these; plotly writes styles of its own."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
