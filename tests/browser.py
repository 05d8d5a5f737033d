"""A real browser for the tests of pages: Chromium through Playwright, with no network but this machine."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
AUDIT = Path(__file__).with_name("page_audit.js").read_text()


@dataclass
class Record:
    """What a page complains of, and the addresses that it asks for."""

    complaints: list[str]
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        except Error as error:
            reason = error.message.splitlines()[0]
            pytest.skip(f"no Chromium: install it, or run `playwright install chromium` ({reason})")
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not complain: no error on its console, no exception, no request to another machine."""
    context = browser.new_context(**DESKTOP)
    opened = context.new_page()
    complaints = watched(opened)
    yield opened
    context.close()
    assert complaints == []


def watched(page: Page) -> list[str]:
    """What the page complains of, from now on."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("request", lambda request: complaints.append(request.url) if is_external(request.url) else None)
    return complaints


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[tuple[Page, Record]]:
    """A file in a page of its own.

    Args:
        browser: to open it in.
        file: HTML.
        **options: of the page: its ``viewport``, ``color_scheme``, ...; by default a desktop's.
    """
    page = browser.new_page(**{**DESKTOP, **options})
    record = Record(watched(page))
    page.on("request", lambda request: record.requests.append(request.url))
    page.goto(file.resolve().as_uri())
    try:
        yield page, record
    finally:
        page.close()


def problems(page: Page) -> dict[str, list[str]]:
    """What the audit finds wrong with a page, by what it is."""
    found: dict[str, list[str]] = page.evaluate(AUDIT)
    return {what: where for what, where in found.items() if where}


def is_external(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder's files."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
