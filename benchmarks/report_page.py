"""Size of a report page, and how soon it can be used, in a real browser: opened anew several times.

Of a comparison of 20 methods, 3 seeds each, with 10 000 test samples of 100 classes, written for this script. "ready"
is from the start of the navigation until the table sorts and the methods can be chosen, "first figure" until the first
one is drawn. It fails where the page has 5 MB or is not ready in 2 s.

    python benchmarks/report_page.py --repeats 5 --out benchmarks/results/report_page.json
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from side_by_side import parser, write
from synthetic_runs import write_comparison

from tailwise.report.page import write_page
from tailwise.report.runs import find_runs

MOST_BYTES = 5_000_000
MOST_SECONDS = 2.0
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
NOW = "performance.now() / 1000"  # seconds from the start of the navigation, by the page's own clock


def opened(browser: Any, page_file: Path) -> dict[str, float]:
    """Seconds until the page is ready, and until it has drawn the first figure once somebody goes there."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(page_file.as_uri(), wait_until="commit")
    page.wait_for_selector("html[data-ready]", state="attached")
    ready = page.evaluate(NOW)
    page.evaluate("document.getElementById('frequency').scrollIntoView({behavior: 'instant'})")
    page.wait_for_selector("#frequency-plot svg.main-svg")
    figure = page.evaluate(NOW)
    page.close()
    return {"ready": ready, "first figure": figure}


def main() -> None:
    from playwright.sync_api import sync_playwright

    options = parser(__doc__, repeats=5)
    options.add_argument("--methods", type=int, default=20)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--classes", type=int, default=100)
    options.add_argument("--samples", type=int, default=10_000, help="test samples of each run")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium on this machine, in which the page is opened")
    with tempfile.TemporaryDirectory() as folder:
        methods = [f"method-{number}" for number in range(given.methods)]
        classes = [f"class {number}" for number in range(given.classes)]
        write_comparison(Path(folder), methods, range(given.seeds), classes, given.samples)
        runs, unfinished = find_runs([Path(folder)])
        file = Path(folder) / "report.html"
        began = time.perf_counter()
        write_page(file, runs, unfinished, {}, "balanced_accuracy", lambda: None)
        written = time.perf_counter() - began
        size = file.stat().st_size
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            version = browser.version
            turns = [opened(browser, file) for _ in range(given.repeats)]
            browser.close()
    seconds = {
        name: {"median": statistics.median(turn[name] for turn in turns), "values": [turn[name] for turn in turns]}
        for name in turns[0]
    }
    sizes = {name: getattr(given, name) for name in ("methods", "seeds", "classes", "samples")}
    write(given.out, {"comparison": sizes, "chromium": version, "bytes": size, "written in": written, **seconds})
    shown = ", ".join(f"{name} {of['median']:.2f} s" for name, of in seconds.items())
    print(f"{size / 1e6:.2f} MB, written in {written:.1f} s; medians of {given.repeats} turns: {shown}")
    if size >= MOST_BYTES or seconds["ready"]["median"] >= MOST_SECONDS:
        sys.exit(f"the page must have less than {MOST_BYTES / 1e6:.0f} MB and be ready within {MOST_SECONDS:.0f} s")


if __name__ == "__main__":
    main()
