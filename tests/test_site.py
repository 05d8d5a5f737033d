"""The documentation site: it builds without a warning, has every page, describes its figures and all that is public."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
PUBLIC = [
    *("tailwise", "tailwise.counts", "tailwise.losses", "tailwise.posthoc", "tailwise.sampling", "tailwise.schedules"),
    *("tailwise.metrics", "tailwise.mixing", "tailwise.two_stage", "tailwise.heads", "tailwise.weights"),
    *("tailwise.contrastive", "tailwise.routing", "tailwise.data.profiles"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, API reference included, as `make docs` builds it: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    try:
        build(load_config(str(REPOSITORY / "mkdocs.yml"), strict=True, site_dir=str(folder)))
    except Abort as error:
        pytest.fail(f"the documentation has warnings, see the log: {error}")
    return folder


def in_navigation(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from in_navigation(part)


def test_every_page_is_in_the_navigation_once() -> None:
    shown = list(in_navigation(load_config(str(REPOSITORY / "mkdocs.yml"), plugins=[]).nav))
    assert sorted(shown) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_every_page_is_built(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        folder = page.relative_to(DOCS).with_suffix("")
        assert (site / (folder.parent if folder.name == "index" else folder) / "index.html").exists(), page


class Figures(HTMLParser):
    """The images of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append(dict(attrs))


def test_every_figure_says_in_words_what_it_shows_and_is_there(site: Path) -> None:
    seen = 0
    for page in site.rglob("index.html"):
        figures = Figures()
        figures.feed(page.read_text())
        for figure in figures.found:
            seen += 1
            assert len((figure.get("alt") or "").split()) >= 5, f"{page}: {figure}"
            assert (page.parent / (figure["src"] or "")).exists(), f"{page}: {figure}"
    assert seen > 20


@pytest.mark.parametrize("module", PUBLIC)
def test_reference_has_every_public_name(module: str, site: Path) -> None:
    documented = {name.rpartition(".")[2] for name in re.findall(r'id="(tailwise[\w.]+)"', reference(site))}
    imported = importlib.import_module(module)
    own = [name for name, value in vars(imported).items() if getattr(value, "__module__", None) == module]
    public = getattr(imported, "__all__", None) or [name for name in own if not name.startswith("_")]
    assert sorted(set(public) - documented) == []


def reference(site: Path) -> str:
    return (site / "reference/index.html").read_text()
