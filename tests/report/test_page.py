"""The report page in a real browser: what it shows, how it is used, and that it keeps to itself.

``TAILWISE_SCREENSHOTS=docs/images pytest tests/report/test_page.py -k screenshots`` takes the pictures of the docs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page
from synthetic_runs import write_comparison

from browser import PHONE, opened, problems
from recipe_trees import quick_recipe, stop_after
from tailwise.errors import InputError
from tailwise.recipes.catalog import corrections_of, load_recipe
from tailwise.report.comparison import compare
from tailwise.report.evaluation import rows_of
from tailwise.report.html import check_page_path, json_for_script
from tailwise.report.page import write_page
from tailwise.report.page_content import in_order
from tailwise.report.runs import find_runs, read_predictions
from tailwise.report.table import cell_text, star
from tailwise.training.engine import RunOptions, train

RECIPE = "digits/long-tailed-if20"
FIGURES = ("frequency", "groups", "reliability", "precision", "learning", "sweep")
SCREENSHOTS = os.environ.get("TAILWISE_SCREENSHOTS")
HOSTILE_CLASSES = [
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=2</script>",
    "<b>bold</b> &lt;i&gt; &amp;",
    '<a href="javascript:window.hacked=3">link</a>',
    "%{text} $x$ \u2028 '\"",
]
HOSTILE_METHODS = ["<i>ce</i>", "<svg onload=window.hacked=4>", "a&amp;b<br>$\\frac$"]

# The texts of a cell but for what only a screen reader says, and the p-value.
SEEN = "cell => [...cell.childNodes].filter(node => !['unseen', 'p'].includes(node.className)).map(n => n.textContent)"
HOVERED = "[...document.querySelectorAll('#frequency-plot .hoverlayer text')].map(node => node.textContent).join('')"


def page_of(folder: Path, name: str = "page.html") -> Path:
    runs, unfinished = find_runs([folder])
    out = folder / name
    write_page(out, in_order(runs), unfinished, {}, "balanced_accuracy", lambda: None)
    return out


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of three methods, tested on the way, and a run that was interrupted; with their page."""
    folder = tmp_path_factory.mktemp("trained")
    watched = "training.evaluate_every=1"
    for method in ("ce", "focal", "balanced_softmax"):
        for seed in (0, 1):
            options = RunOptions(device="cpu", command=f"tailwise train {RECIPE} --loss {method} --seed {seed}")
            train(quick_recipe(method, seed, watched), folder / method / f"seed-{seed}", options)
    with pytest.raises(KeyboardInterrupt):
        train(quick_recipe("gppe"), folder / "gppe/seed-0", RunOptions(device="cpu", on_epoch=stop_after(1)))
    page_of(folder)
    return folder


@pytest.fixture
def page(browser: Browser, trained: Path) -> Iterator[Page]:
    with opened(browser, trained / "page.html") as (page, _):
        yield page


def draw_all(page: Page) -> None:
    """Scroll to every figure and wait until it is drawn."""
    for name in FIGURES:
        page.locator(f"#{name}").scroll_into_view_if_needed()
        page.locator(f"#{name}-plot svg.main-svg, #{name}-plot .nothing").first.wait_for()
    page.locator("#confusion").scroll_into_view_if_needed()
    page.locator("#pairs tbody tr").first.wait_for()


def open_all(page: Page) -> None:
    """Open everything that can be opened, and wait for the tables in it."""
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.locator("#sweep-numbers table").wait_for()


def variable(page: Page, name: str) -> str:
    """A colour of the style sheet as it is now."""
    return str(page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()"))


def rows(page: Page) -> Locator:
    return page.locator("#table tbody tr:visible")


def column(page: Page, metric: str) -> list[float]:
    cells = page.locator(f'#table tbody tr:visible td[data-metric="{metric}"]').all()
    return [float(cell.get_attribute("data-value") or "nan") for cell in cells]


def test_nothing_is_asked_of_a_network_and_nothing_fails(browser: Browser, trained: Path) -> None:
    file = trained / "page.html"
    with opened(browser, file) as (page, record):
        draw_all(page)
        page.locator("#ranking").scroll_into_view_if_needed()
        page.locator(".diagram").evaluate("image => image.decode()")
        assert [url for url in record.requests if not url.startswith("data:image/")] == [file.as_uri()]
        assert record.complaints == []


def test_scripts_that_are_not_the_pages_own_do_not_run(page: Page) -> None:
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.hacked = 1'}))")
    assert page.evaluate("window.hacked") is None


def test_numbers_on_the_page_are_those_of_the_comparison(page: Page, trained: Path) -> None:
    runs = in_order(find_runs([trained])[0])
    names = ["ce", "focal", "balanced_softmax", "ce+la", "ce+pn"]
    comparison = compare(rows_of(runs, names, corrections_of(RECIPE)))
    assert [row.get_attribute("data-method") for row in rows(page).all()] == names
    heads = [head.get_attribute("data-column") for head in page.locator("#table thead th:visible").all()]
    assert heads == ["method", *comparison.metrics]
    for method, cells in comparison.cells.items():
        for metric, cell in cells.items():
            shown = page.locator(f'#table tr[data-method="{method}"] td[data-metric="{metric}"]')
            assert float(shown.get_attribute("data-value") or "nan") == cell.mean
            text = "".join(shown.evaluate(SEEN))
            assert text == cell_text(cell) + star(cell)
            assert ("best" in (shown.get_attribute("class") or "")) == cell.best


def test_head_says_what_was_compared_and_that_numbers_are_of_the_last_epoch(page: Page) -> None:
    assert page.locator("h1").inner_text() == RECIPE
    assert "Every number is that of the last epoch" in page.locator(".lead").inner_text()
    facts = page.locator("#compared").inner_text()
    for fact in (
        "5, 2 of them by correcting",
        "0, 1",
        "digits; profile exponential",
        "mlp, 8,970 parameters",
        "ce, which",
    ):
        assert fact in facts


def test_table_sorts_by_the_best_first_and_says_so(page: Page) -> None:
    head = page.locator('#table th[data-column="balanced_accuracy"]')
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    values = column(page, "balanced_accuracy")
    assert values == sorted(values, reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "balanced_accuracy") == sorted(values)
    others = page.locator('#table th[aria-sort="none"]').count()
    assert others == page.locator("#table thead th").count() - 1


def test_table_sorts_by_the_keyboard_and_the_lowest_calibration_error_first(page: Page) -> None:
    page.locator("#table-controls summary").click()
    page.locator('input[data-metric="ece"]').check()
    page.locator('#table th[data-column="ece"] button').focus()
    page.keyboard.press("Enter")
    values = column(page, "ece")
    assert values == sorted(values)
    page.locator('#table th[data-column="method"] button').focus()
    page.keyboard.press("Space")
    names = [row.get_attribute("data-method") or "" for row in rows(page).all()]
    assert names == sorted(names)


def test_table_is_filtered_by_a_part_of_a_name(page: Page) -> None:
    page.locator("#table-filter").fill("CE+")
    assert [row.get_attribute("data-method") for row in rows(page).all()] == ["ce+la", "ce+pn"]
    assert page.locator("#table-status").inner_text() == "2 of 5 rows"
    page.locator("#table-filter").fill("")
    assert rows(page).count() == 5


def test_metrics_and_p_values_can_be_chosen(page: Page) -> None:
    assert page.locator('#table td[data-metric="mcc"]').first.is_hidden()
    page.locator("#table-controls summary").click()
    page.locator('input[data-metric="mcc"]').check()
    page.locator('input[data-metric="accuracy"]').uncheck()
    assert page.locator('#table td[data-metric="mcc"]').first.is_visible()
    assert page.locator('#table [data-column="accuracy"]').is_hidden()
    assert page.locator("#table .p").first.is_hidden()
    page.locator("#table-p").check()
    assert re.match(r"p (= 0\.\d{3}|= 1\.000|< 0\.001)", page.locator("#table .p:visible").first.inner_text())


def test_figures_wait_until_they_are_looked_for(page: Page) -> None:
    assert page.evaluate("typeof window.Plotly") == "undefined" or page.locator("#sweep-plot svg").count() == 0
    page.locator("#sweep").scroll_into_view_if_needed()
    page.locator("#sweep-plot svg.main-svg").first.wait_for()


def test_methods_stand_out_by_mouse_and_keyboard(page: Page) -> None:
    chip = page.locator('.chip[data-method="focal"]')
    page.locator("#highlight-none").click()
    assert page.locator('.chip[aria-pressed="true"]').count() == 0
    chip.focus()
    page.keyboard.press("Enter")
    assert chip.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.dataset.method") == "focal"
    draw_all(page)
    assert page.locator("#frequency-legend li").first.inner_text().strip().endswith("focal")
    chip.click()
    assert page.locator("#frequency-legend li").first.inner_text() == "choose methods"
    page.locator("#method-filter").fill("soft")
    assert page.locator(".chip").all_inner_texts() == ["balanced_softmax"]


def test_numbers_of_a_figure_are_those_of_the_runs(page: Page, trained: Path) -> None:
    draw_all(page)
    page.locator("#frequency summary").click()
    runs = [run for run in find_runs([trained])[0] if run.loss == "ce"]
    first = page.locator("#frequency-numbers tbody tr").first
    expected = np.mean([run.metrics["recall/0"] for run in runs])
    assert first.locator("td").nth(0).inner_text() == str(runs[0].class_counts[0])
    assert first.locator("td").nth(1).inner_text().startswith(f"{100 * round(float(expected), 4):.2f}%")
    page.locator("#sweep summary").click()
    untouched = page.locator("#sweep-numbers tbody tr").first.locator("td").first.inner_text()
    balanced = np.mean([run.metrics["balanced_accuracy"] for run in runs])
    assert untouched == f"{100 * round(float(balanced), 4):.2f}%"


def test_curves_and_sweeps_are_of_what_is_chosen(page: Page) -> None:
    draw_all(page)
    legend = page.locator("#precision-legend")
    macro = legend.inner_text()
    page.locator("#precision-controls select").select_option(index=2)
    assert legend.inner_text() != macro
    page.locator("#learning-controls select").select_option("test/accuracy")
    assert "corrected after training" in page.locator("#learning-legend").inner_text()
    assert page.locator("#sweep-legend li").count() == 4  # no class of this recipe has more than 100 samples
    page.locator("#sweep-controls select").nth(2).select_option("balanced_softmax")
    assert "trained with balanced_softmax, which corrects" in page.locator("#sweep-legend").inner_text()
    page.locator("#sweep-controls select").nth(1).select_option("accuracy")
    assert "focal" in page.locator("#sweep-legend").inner_text()


def test_unfinished_runs_are_named(page: Page, trained: Path) -> None:
    assert f"{trained / 'gppe/seed-0'} is not finished" in page.locator("#omissions").inner_text()


def test_commands_and_environment_are_there_and_copied_with_one_press(browser: Browser, trained: Path) -> None:
    with opened(browser, trained / "page.html") as (page, _):
        assert "torch" in page.locator("#runs .facts").inner_text()
        page.locator("#runs .copy").focus()
        page.keyboard.press("Enter")
        page.locator("#runs .copy + .status").filter(has_text="6 copied").wait_for()
        page.locator("#table-filter").focus()
        page.keyboard.press("Control+V")
        assert page.locator("#table-filter").input_value().startswith(f"tailwise train {RECIPE} --loss ce --seed 0")


def test_first_tab_stop_skips_to_the_comparison(page: Page) -> None:
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert page.evaluate("document.activeElement.className") == "skip"
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "comparison"


def test_everything_that_can_be_used_is_reached_by_tab_and_has_a_name(page: Page) -> None:
    draw_all(page)
    open_all(page)
    assert problems(page) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_have_contrast(scheme: str, browser: Browser, trained: Path) -> None:
    with opened(browser, trained / "page.html", color_scheme=scheme) as (page, _):
        names = ["page", "surface", "text", "quiet", "accent", *(f"series-{number}" for number in range(1, 7))]
        colours = {name: variable(page, name) for name in names}
        for ground in ("page", "surface"):
            for name in ("text", "quiet", "accent"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
            for number in range(1, 7):
                assert contrast(colours[f"series-{number}"], colours[ground]) >= 3, (number, ground)


def contrast(one: str, other: str) -> float:
    """The ratio of the luminances of two colours #rrggbb (WCAG 2)."""

    def luminance(text: str) -> float:
        channels = np.array([int(text[start : start + 2], 16) for start in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_page_fits_a_phone(browser: Browser, trained: Path) -> None:
    with opened(browser, trained / "page.html", **PHONE) as (page, record):
        draw_all(page)
        open_all(page)
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]
        box = page.locator("#comparison .scroll")
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        assert record.complaints == []


def test_colours_follow_the_scheme_while_the_page_is_open(page: Page) -> None:
    draw_all(page)

    def seen() -> tuple[str, str, str]:
        return page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor,
                document.querySelector('#frequency-plot .xtick text').style.fill,
                document.getElementById('matrix').toDataURL()]"""
        )

    page.emulate_media(color_scheme="light")
    light = seen()
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    dark = seen()
    assert all(one != other for one, other in zip(light, dark, strict=True))
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(300)
    assert seen() == light


def test_nothing_moves_where_that_is_not_wanted(page: Page) -> None:
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(behaviour) == "smooth"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(behaviour) == "auto"


def test_paper_has_every_figure_in_dark_on_light(browser: Browser, trained: Path) -> None:
    with opened(browser, trained / "page.html", color_scheme="dark") as (page, record):
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        for name in FIGURES:
            page.locator(f"#{name}-plot svg.main-svg").first.wait_for(state="attached")
        assert variable(page, "page") == "#ffffff"
        page.emulate_media(media="print")
        assert page.locator("#table-controls").is_hidden()
        assert page.locator("#comparison table").is_visible()
        page.emulate_media(media="screen")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert variable(page, "page") != "#ffffff"
        assert record.complaints == []


def test_tables_are_there_without_scripts(browser: Browser, trained: Path) -> None:
    with opened(browser, trained / "page.html", java_script_enabled=False) as (page, _):
        assert rows(page).count() == 5
        assert page.locator("noscript .notice").count() == 1
        assert page.locator("#methods").is_hidden()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_comparison(folder, HOSTILE_METHODS, [0, 1], HOSTILE_CLASSES, 200, "<u>own</u>/recipe")
    return page_of(folder)


def test_names_with_markup_are_shown_as_text_and_never_run(hostile: Path, browser: Browser) -> None:
    with opened(browser, hostile) as (page, record):
        draw_all(page)
        open_all(page)
        names = [row.get_attribute("data-method") for row in rows(page).all()]
        assert names == HOSTILE_METHODS
        shown = [row.locator("th").inner_text().removesuffix(" reference") for row in rows(page).all()]
        assert shown == HOSTILE_METHODS
        chips = page.locator(".chip").all()
        assert [chip.get_attribute("data-method") for chip in chips] == HOSTILE_METHODS
        assert all(chip.inner_text().endswith(name) for chip, name in zip(chips, HOSTILE_METHODS, strict=True))
        classes = page.locator("#frequency-numbers tbody th").all_text_contents()
        assert classes == HOSTILE_CLASSES
        options = page.locator("#precision-controls option").all_text_contents()
        assert [text.rpartition(" (")[0] for text in options[2:]] == HOSTILE_CLASSES
        assert page.evaluate("window.hacked") is None
        injected = "main :is(img:not(.diagram), i, u, b, script), main svg[onload], a[href^=javascript]"
        assert page.locator(injected).count() == 0
        assert record.complaints == []


def test_names_with_markup_are_text_in_what_plotly_says_on_hover(hostile: Path, browser: Browser) -> None:
    with opened(browser, hostile) as (page, _):
        draw_all(page)
        plot = page.locator("#frequency-plot")
        plot.scroll_into_view_if_needed()
        said = set()
        for point in plot.locator(".scatterlayer .point").all():
            box = point.bounding_box()
            assert box is not None
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            page.wait_for_timeout(60)
            said.add(page.evaluate(HOVERED))
        text = " ".join(said)
        assert "<img src=x onerror=window.hacked=1>" in text
        assert '<a href="javascript:window.hacked=3">link</a>' in text
        assert "<i>ce</i>" in text
        assert page.locator("#frequency-plot .hoverlayer a").count() == 0
        assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("num_classes", [10, 100, 1000])
def test_confusion_matrix_is_read_by_the_keyboard_at_any_number_of_classes(
    num_classes: int, browser: Browser, tmp_path: Path
) -> None:
    names = [f"class {index}" for index in range(num_classes)]
    (path,) = write_comparison(tmp_path, ["ce"], [0], names, 3 * num_classes)
    logits, targets = read_predictions(path)
    confusion = np.zeros((num_classes, num_classes), dtype=int)
    np.add.at(confusion, (targets, logits.argmax(axis=1)), 1)
    with opened(browser, page_of(tmp_path)) as (page, record):
        page.locator("#confusion").scroll_into_view_if_needed()
        page.locator("#pairs tbody tr").first.wait_for()
        status, matrix = page.locator("#matrix-status"), page.locator("#matrix")
        matrix.focus()
        page.keyboard.press("ArrowDown")
        said = status.inner_text()
        if num_classes == 1000:
            block = int(re.findall(r"each square is (\d+) by", page.locator("#matrix-scale").inner_text())[0])
            assert said.startswith(f"True {block} classes from class 0 to class {block - 1}, predicted {block} classes")
            assert said.endswith(share(confusion[:block, :block].sum(), confusion[:block].sum()))
        else:
            assert said == reading(confusion, 0, 0)
        page.get_by_label("Find class").fill(f"class {num_classes - 2}")
        page.keyboard.press("Enter")
        last = num_classes - 2
        assert status.inner_text() == reading(confusion, last, last)
        matrix.focus()
        page.keyboard.press("ArrowLeft")
        assert status.inner_text() == reading(confusion, last, last - 1)
        off = confusion / confusion.sum(axis=1, keepdims=True)
        np.fill_diagonal(off, 0)
        first = page.locator("#pairs tbody tr").first.locator("td").all_inner_texts()
        assert float(first[1].rstrip("%")) == pytest.approx(100 * off.max(), abs=0.05)
        page.keyboard.press("Home")
        box = matrix.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
        assert status.inner_text().startswith("True ")
        assert record.complaints == []


def reading(confusion: NDArray[np.int64], truth: int, predicted: int) -> str:
    cell = share(confusion[truth, predicted], confusion[truth].sum())
    return f"True class {truth}, predicted class {predicted}: {cell}"


def share(count: int, total: int) -> str:
    return f"{count} of {total} ({100 * count / total:.1f}%)"


def test_confusion_matrix_zooms_pans_and_shows_a_pair(browser: Browser, tmp_path: Path) -> None:
    names = [f"class {index}" for index in range(60)]
    write_comparison(tmp_path, ["ce"], [0], names, 600)
    with opened(browser, page_of(tmp_path)) as (page, _):
        page.locator("#confusion").scroll_into_view_if_needed()
        page.locator("#pairs tbody tr").first.wait_for()
        picture = "document.getElementById('matrix').toDataURL()"
        whole = page.evaluate(picture)
        page.get_by_role("button", name="Zoom in").click()
        zoomed = page.evaluate(picture)
        assert zoomed != whole
        page.locator("#matrix").scroll_into_view_if_needed()
        box = page.locator("#matrix").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 400, box["y"] + 300)
        page.mouse.down()
        page.mouse.move(box["x"] + 250, box["y"] + 150, steps=4)
        page.mouse.up()
        assert page.evaluate(picture) not in (whole, zoomed)
        row = page.locator("#pairs tbody tr").nth(2)
        truth, predicted = row.locator("th").inner_text(), row.locator("td").first.inner_text()
        row.get_by_role("button").click()
        assert page.locator("#matrix-status").inner_text().startswith(f"True {truth}, predicted {predicted}: ")
        assert page.evaluate("document.activeElement.id") == "matrix"
        page.get_by_role("button", name="all", exact=True).click()
        page.get_by_label("Order").select_option("name")
        page.get_by_label("correct ones").uncheck()
        assert page.evaluate(picture) != whole


def test_several_recipes_are_told_apart(browser: Browser, tmp_path: Path) -> None:
    methods = ["ce", "focal", "asl"]
    write_comparison(tmp_path, methods, [0, 1], ["cat", "dog", "emu"], 90, "own/three")
    write_comparison(tmp_path, [*methods, "odd"], [0, 1], ["no", "yes"], 90, "own/two")
    with opened(browser, page_of(tmp_path)) as (page, record):
        assert page.locator("h1").inner_text() == "2 recipes"
        assert page.locator("#compared .card h3").all_inner_texts() == ["own/three", "own/two"]
        assert rows(page).count() == 7
        page.locator("#table-recipe").select_option("own/two")
        assert [row.get_attribute("data-method") for row in rows(page).all()] == [*methods, "odd"]
        draw_all(page)
        assert page.locator(".chip").count() == 3
        page.locator("#figure-recipe").select_option("1")
        assert page.locator(".chip").count() == 4
        assert "no (" in " ".join(page.locator("#precision-controls option").all_text_contents())
        assert page.locator("#pairs tbody th").first.inner_text() in ("no", "yes")
        assert page.locator("#ranking").is_visible()
        assert "Not ranked: odd" in page.locator("#omissions").inner_text()
        assert record.complaints == []


def test_single_run_has_a_page(browser: Browser, trained: Path, tmp_path: Path) -> None:
    runs, _ = find_runs([trained / "focal/seed-0"])
    write_page(tmp_path / "one.html", runs, [], {}, "balanced_accuracy", lambda: None)
    with opened(browser, tmp_path / "one.html") as (page, record):
        draw_all(page)
        assert rows(page).count() == 1
        assert page.locator("#ranking").count() == 0
        assert "critical-difference" in page.locator("#omissions").inner_text()
        assert record.complaints == []


def test_json_cannot_leave_its_script() -> None:
    text = json_for_script({"name": "</script><!-- & \u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"name": "</script><!-- & \u2028\u2029"}


def test_place_that_no_page_can_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"is a folder; name a file, such as .*report\.html"):
        check_page_path(tmp_path)
    with pytest.raises(InputError, match=r"written as \.html, got 'page\.pdf'"):
        check_page_path(Path("page.pdf"))
    with pytest.raises(InputError, match="file is a file; choose another --out"):
        check_page_path(tmp_path / "file/below/page.html")


@pytest.mark.skipif(SCREENSHOTS is None, reason="TAILWISE_SCREENSHOTS names no folder to put pictures into")
def test_screenshots_for_the_docs(browser: Browser, tmp_path: Path) -> None:
    assert SCREENSHOTS is not None
    template = load_recipe(RECIPE)
    for method in ("ce", "focal", "balanced_softmax", "gppe", "sgpl", "crt", "mislas"):
        for seed in range(3):
            recipe = template.resolve(method, seed, ["training.evaluate_every=1"])
            train(recipe, tmp_path / method / f"seed-{seed}", RunOptions(device="cpu"))
    file = page_of(tmp_path)
    pictures = {
        "report.png": ({"viewport": {"width": 1280, "height": 1300}}, "comparison"),
        "report-dark-phone.png": ({**PHONE, "color_scheme": "dark", "device_scale_factor": 2}, "confusion"),
    }
    for name, (options, section) in pictures.items():
        with opened(browser, file, reduced_motion="reduce", **options) as (page, _):
            draw_all(page)
            page.locator(f"#{section}").evaluate("section => section.scrollIntoView()")
            page.wait_for_timeout(500)
            page.screenshot(path=Path(SCREENSHOTS) / name)
        assert (Path(SCREENSHOTS) / name).stat().st_size < 300_000
