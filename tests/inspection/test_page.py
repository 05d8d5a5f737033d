"""The page of an inspection, in a real browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from browser import PHONE, opened, problems
from tailwise.inspection.findings import inspect
from tailwise.inspection.page import write_page
from tailwise.inspection.summary import Summary, summarize
from tailwise.inspection.target import data_config

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Summary:
    """Of three classes, one with a name that is HTML, and a leaked image."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0)
    for split, counts in {"train": {"cat": 30, HOSTILE: 4}, "test": {"cat": 12, HOSTILE: 12}}.items():
        for name, count in counts.items():
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                small = Image.fromarray(pixels.integers(0, 256, (6, 6, 3), dtype=np.uint8))
                small.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    Image.open("photos/train/cat/0.png").save("photos/test/cat/0.png")
    return summarize(inspect("photos", data_config("photos", (), None), None))


def test_page_says_what_the_terminal_says(summary: Summary, tmp_path: Path, browser: Browser) -> None:
    write_page(summary, tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as (page, record):
        text = page.locator("body").inner_text()
        for sentence in (
            summary.verdict,
            *summary.advice.reasons,
            *summary.commands,
            *(p.what for p in summary.problems),
        ):
            assert sentence in text
        rows = page.locator("#classes tbody tr")
        assert rows.first.inner_text().split() == ["cat", "30", "12", "medium"]
        assert rows.nth(1).locator("th").inner_text() == HOSTILE
        assert page.locator(".twins li").count() == 1
        assert page.locator(".twins img").evaluate_all("images => images.every(image => image.naturalWidth === 96)")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the advice"
        assert record.complaints == []
        assert {address.partition(":")[0] for address in record.requests} <= {"file", "data"}
        assert problems(page) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(scheme: str, summary: Summary, tmp_path: Path, browser: Browser) -> None:
    write_page(summary, tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html", color_scheme=scheme, **PHONE) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert problems(page) == {}


def test_labels_alone_make_a_page_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = summarize(inspect("digits", data_config("digits", (), None), None, read_samples=False))
    write_page(found, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    assert "<img" not in html
    assert "None found in the labels; the samples were not read." in html
