"""The loss explorer of the documentation, in a real browser: what it draws is what the library computes."""

from __future__ import annotations

import inspect
import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mkdocs.commands.build import build
from mkdocs.config import load_config
from playwright.sync_api import Browser, Page
from torch import Tensor

from browser import served, watched
from tailwise.data.profiles import exponential_counts
from tailwise.losses import (
    LOSSES,
    ClassificationLoss,
    CyclicalFocalLoss,
    EqualizedFocalLoss,
    GALALoss,
    LDAMLoss,
    build_loss,
)
from tailwise.losses._base import OPTION_DEFAULTS
from tailwise.losses._one_vs_rest import OneVsRestLoss
from tailwise.report.loss_curves import GRID, loss_curves

REPOSITORY = Path(__file__).parents[1]
SCREENSHOT = REPOSITORY / "docs/images/explorer.png"
NOT_OF_ONE_SAMPLE = {"weight", "ignore_index", "reduction", "class_counts", "num_classes"}
NOT_ON_THE_PAGE = {"influence_balanced": {"start"}, "logit_adjusted": {"learnable"}}
OF_THE_PAGE_ALONE = {"cyclical_focal": {"epoch"}, "equalized_focal": {"trained"}}
NO_DEFAULT = {("cyclical_focal", "epochs")}
CASES = 40
DIRECTED = {"cyclical_focal": [{"epochs": 10, "epoch": 5}]}  # the turn itself

every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the explorer in the documentation site, which is built without its API reference."""
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(REPOSITORY / "mkdocs.yml"), plugins=[], site_dir=str(folder)))
    with served(folder) as address:
        yield f"{address}/explorer/"


@pytest.fixture(scope="module")
def opened(browser: Browser, site: str) -> Iterator[Page]:
    """One page for the tests that only call its functions."""
    page = browser.new_page()
    complaints = watched(page)
    show(page, site)
    yield page
    page.close()
    assert complaints == []


def show(page: Page, site: str, link: str = "") -> None:
    page.goto("about:blank")
    page.goto(f"{site}#{link}" if link else site)
    page.wait_for_selector("#explorer[data-shown]")


def answer(page: Page, body: str, given: object = None) -> Any:
    """What JavaScript says that may call the functions of the page's modules, and reads ``given``."""
    modules = ("losses", "curves", "settings", "python")
    imports = "".join(f"const {name} = await import('/assets/explorer/{name}.js');" for name in modules)
    return page.evaluate(f"async (given) => {{ {imports} {body} }}", given)


def settings_of(page: Page, name: str) -> list[dict[str, Any]]:
    """A loss's settings on the page: key, kind, initial, slider, bounds..."""
    found: list[dict[str, Any]] = answer(
        page, "return JSON.parse(JSON.stringify(losses.findLoss(given).settings))", name
    )
    return found


# The numbers


@every_loss
def test_loss_and_gradients_are_the_library_s_whatever_the_settings(name: str, opened: Page) -> None:
    draw = random.Random(zlib.crc32(name.encode()))
    settings = settings_of(opened, name)
    cases = [random_case(draw, settings, first=case == 0) for case in range(CASES)]
    cases += [random_case(draw, settings, first=True) | {"given": extra} for extra in DIRECTED.get(name, ())]
    answers = answer(
        opened,
        """
        const loss = losses.findLoss(given.name);
        return given.cases.map(({ given: own, counts, y, other, rest, rival, axis, grid }) => {
          const shares = curves.sharesOfRest(rest, counts, y, other, rival);
          const lines = python.pythonLines([[loss, own]], { kind: "list" }, counts);
          return { python: lines, ...curves.curve(loss, own, counts, { y, other, shares, axis, grid }) };
        });
        """,
        {"name": name, "cases": cases},
    )
    for case, found in zip(cases, answers, strict=True):
        loss = made_by(found["python"], name, case["counts"], trained=case["given"].get("trained", False))
        expected = library_curve(loss, **{key: case[key] for key in case if key != "given"})
        for key, values in expected.items():
            scale = max(1.0, float(np.abs(values).max()))
            np.testing.assert_allclose(
                found[key], values, rtol=1e-9, atol=1e-11 * scale, err_msg=f"{key} of {found['python']} for {case}"
            )


def random_case(draw: random.Random, settings: list[dict[str, Any]], first: bool) -> dict[str, Any]:
    """Settings, counts and a sample, with their extremes; first everything at its default."""
    counts = draw.choice(
        [
            *([1000, 50], [3, 1_000_000], [1, 1], [7, 7, 7]),
            [draw.randint(1, 5000) for _ in range(draw.randint(2, 12))],
            exponential_counts(100, 500, 100).counts.tolist(),
        ]
    )
    y, other = draw.sample(range(len(counts)), 2)
    axis = draw.choice(["p", "margin"])
    grid = [draw.uniform(0.001, 0.999) for _ in range(8)] if axis == "p" else [draw.uniform(-12, 12) for _ in range(8)]
    return {
        "given": {} if first else {setting["key"]: random_value(draw, setting) for setting in settings},
        "counts": counts,
        "y": y,
        "other": other,
        "rest": draw.choice(["equal", "counts", "rival"]),
        "rival": draw.uniform(0.01, 0.99),
        "axis": axis,
        "grid": grid,
    }


def random_value(draw: random.Random, setting: dict[str, Any]) -> Any:
    if setting["kind"] == "flag":
        return draw.random() < 0.5
    if setting["kind"] == "choice":
        return draw.choice(setting["choices"])
    least, most, _ = setting["slider"]
    value = draw.choice([least, most, *(draw.uniform(least, most) for _ in range(4))])
    value = 10**value if setting.get("logarithmic") else value
    value = round(value) if setting.get("whole") else value
    return draw.choice([value, value, setting["initial"]])


def made_by(python: str, name: str, counts: list[int], trained: bool = False) -> ClassificationLoss:
    """The loss that the lines of the page make, in the state that the page says it assumes."""
    names: dict[str, Any] = {}
    exec(python, names)
    loss: ClassificationLoss = names[name].eval()
    if loss.sums_samples:
        loss.reduction = "none"
    samples = torch.tensor(counts, dtype=torch.float64)
    if isinstance(loss, GALALoss):
        loss.positive_gradient.copy_(samples)
        loss.negative_gradient.copy_(samples)
    if isinstance(loss, EqualizedFocalLoss) and trained:
        loss.positive_gradient.copy_(samples)
        loss.negative_gradient.copy_(samples.sum() - samples)
    return loss


def library_curve(
    loss: ClassificationLoss,
    counts: list[int],
    y: int,
    other: int,
    rest: str,
    rival: float,
    axis: str,
    grid: list[float],
) -> dict[str, np.ndarray]:
    samples = torch.tensor(counts, dtype=torch.float64)
    is_other = torch.arange(len(counts)) != y
    shares = samples * is_other if rest == "counts" else is_other.double()
    if rest == "rival" and len(counts) > 2:
        shares[other] = rival / (1 - rival) * (len(counts) - 2)
    shares = shares / shares.sum()
    places = torch.tensor(grid, dtype=torch.float64).unsqueeze(1)
    log_odds = places + shares.max().log() if axis == "margin" else torch.logit(places)
    logits = torch.nn.functional.logsigmoid(-log_odds) + shares.log()
    logits[:, y] = torch.nn.functional.logsigmoid(log_odds).squeeze(1)
    if isinstance(loss, OneVsRestLoss):
        logits = torch.logit(logits.exp())
    logits.requires_grad_()
    values = of_each(loss, logits / loss.scale if isinstance(loss, LDAMLoss) else logits, y)
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    return {"loss": values.detach().numpy(), "own": gradient[:, y].numpy(), "other": gradient[:, other].numpy()}


def of_each(loss: ClassificationLoss, logits: Tensor, y: int) -> Tensor:
    target = torch.full((len(logits),), y)
    if loss.sums_samples:
        values: Tensor = loss(logits, target)
        return values
    return torch.stack([loss(row.unsqueeze(0), target[:1]) for row in logits])


@every_loss
def test_curves_are_those_that_losses_show_draws(name: str, opened: Page) -> None:
    counts = [1000, 300, 50]
    own = {"cyclical_focal": {"epochs": 200}}.get(name, {})
    (expected,) = loss_curves([name], counts, {name: own})
    for y, of_class in ((0, expected.majority), (2, expected.minority)):
        found = answer(
            opened,
            """
            const [name, counts, y] = given;
            const [loss, other, { grid }] = [losses.findLoss(name), (y + 1) % counts.length, curves.AXES.p];
            const sample = { y, other, shares: curves.sharesOfRest("equal", counts, y, other), axis: "p", grid };
            const note = loss.note?.(settings.settled(loss, {}, counts)) ?? null;
            return { grid, note, ...curves.curve(loss, {}, counts, sample) };
            """,
            [name, counts, y],
        )
        np.testing.assert_allclose(found["grid"], GRID, rtol=1e-15)
        # At a kink that lies on the grid, rounding decides on which side a point is.
        np.testing.assert_allclose(found["loss"], of_class.loss, rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(found["own"], of_class.gradient, rtol=1e-9, atol=1e-6)
        assert found["note"] == expected.note


# The settings


def test_every_registered_loss_is_on_the_page_under_the_name_of_its_class(opened: Page) -> None:
    found = answer(opened, "return Object.fromEntries(losses.LOSSES.map(({ name, cls }) => [name, cls]))")
    assert found == {name: entry.cls.__name__ for name, entry in LOSSES.items()}


@every_loss
def test_arguments_and_defaults_are_those_of_the_class(name: str, opened: Page) -> None:
    entry = LOSSES[name]
    parameters = inspect.signature(entry.cls).parameters
    shown = {setting["key"]: setting["initial"] for setting in settings_of(opened, name)}
    expected = set(entry.arguments) - NOT_OF_ONE_SAMPLE - NOT_ON_THE_PAGE.get(name, set())
    assert set(shown) - OF_THE_PAGE_ALONE.get(name, set()) == expected
    for key in expected:
        if (name, key) not in NO_DEFAULT:
            default = parameters[key].default if key in parameters else OPTION_DEFAULTS[key]
            assert shown[key] == default


@every_loss
def test_numbers_are_refused_where_the_class_refuses_them(name: str, opened: Page) -> None:
    tried = [-1e6, -1.5, -1.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 1.0, 1.5, 3.0, 1e6]
    for setting in settings_of(opened, name):
        key = setting["key"]
        if setting["kind"] != "number" or key in OF_THE_PAGE_ALONE.get(name, set()) or key == "majority_classes":
            continue
        taken = answer(
            opened,
            """
            const setting = losses.findLoss(given.name).settings.find(({ key }) => key === given.key);
            return given.tried.filter((value) => settings.refusal(setting, value) === null);
            """,
            {"name": name, "key": key, "tried": tried},
        )
        assert taken == [value for value in tried if builds(name, key, value, setting.get("whole", False))]


def builds(name: str, key: str, value: float, whole: bool) -> bool:
    own: dict[str, Any] = {"epochs": 10} if name == "cyclical_focal" else {}
    own |= {"shape": "exp"} if key == "power" else {}
    try:
        build_loss(name, [100, 10], **{**own, key: int(value) if whole and value.is_integer() else value})
    except ValueError:
        return False
    return True


def test_an_epoch_past_the_last_is_the_last(opened: Page) -> None:
    body = "return python.pythonLines([[losses.findLoss('cyclical_focal'), given]], { kind: 'list' }, [2, 1])"
    loss = made_by(answer(opened, body, {"epochs": 10, "epoch": 50}), "cyclical_focal", [2, 1])
    assert isinstance(loss, CyclicalFocalLoss)
    assert (loss.epochs, loss.epoch) == (10, 9)


# The page


def drawn(page: Page, figure: str) -> dict[str, list[float]]:
    """Each curve of a figure by its name, with a * where it is dashed."""
    found: dict[str, list[float]] = page.evaluate(
        """(figure) => Object.fromEntries(
          document.querySelector(`figure[data-figure=${figure}] .explorer-plot`).data.map(
            ({ name, y, line }) => [name + (line.dash === "solid" ? "" : "*"), [...y]],
          ),
        )""",
        figure,
    )
    return found


def settle(page: Page, link: str) -> None:
    """Wait until the page shows the view of a link."""
    page.wait_for_function("(link) => document.getElementById('explorer').dataset.shown === link", arg=link)


def test_a_slider_moved_by_keys_draws_the_library_s_curve(page: Page, site: str) -> None:
    show(page, site, "losses=gppe,focal&classes=3&most=500&factor=50")
    page.locator("#explorer-of-gppe input[type=range]").first.focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    settle(page, "losses=gppe,focal&classes=3&most=500&factor=50&gppe.alpha=-1.3")
    assert page.locator("#explorer-gppe-alpha").input_value() == "-1.3"
    counts = exponential_counts(3, 500, 50)
    expected = loss_curves(["gppe", "focal"], counts, {"gppe": {"alpha": -1.3}})
    losses, pulls = drawn(page, "loss"), drawn(page, "own")
    for title, curves in zip(("GPPE", "Focal"), expected, strict=True):
        for name, of_class in ((f"{title}, class 2", curves.minority), (f"{title}, class 0*", curves.majority)):
            np.testing.assert_allclose(losses[name], of_class.loss, rtol=1e-9, atol=1e-7)
            np.testing.assert_allclose(pulls[name], of_class.gradient, rtol=1e-9, atol=1e-6)
    assert page.inner_text("#explorer-watched") == "∂L/∂z0, dashed ∂L/∂z1"
    assert "gppe = GPPELoss(class_counts=class_counts, alpha=-1.3)" in page.inner_text("#explorer-python").splitlines()


def test_a_typed_number_moves_the_slider_and_the_curve(page: Page, site: str) -> None:
    show(page, site, "losses=logit_adjusted&counts=90,9,1")
    page.fill("#explorer-logit_adjusted-tau", "2.5")
    settle(page, "losses=logit_adjusted&counts=90,9,1&logit_adjusted.tau=2.5")
    assert page.locator("#explorer-of-logit_adjusted input[type=range]").first.input_value() == "2.5"
    (expected,) = loss_curves(["logit_adjusted"], [90, 9, 1], {"logit_adjusted": {"tau": 2.5}})
    np.testing.assert_allclose(drawn(page, "loss")["Logit-adjusted, class 2"], expected.minority.loss, rtol=1e-9)


def test_a_number_out_of_range_is_refused_in_words_and_draws_nothing_else(page: Page, site: str) -> None:
    show(page, site, "losses=focal")
    before = drawn(page, "loss")
    page.fill("#explorer-focal-gamma", "-1")
    refused = page.locator("#explorer-focal-gamma-refused")
    refused.wait_for(state="visible")
    assert refused.inner_text() == "gamma must be at least 0"
    assert page.get_attribute("#explorer-focal-gamma", "aria-invalid") == "true"
    assert drawn(page, "loss") == before


def test_counts_can_be_typed(page: Page, site: str) -> None:
    show(page, site, "losses=balanced_softmax")
    page.check("input[value=list]")
    page.fill("#explorer-counts", "900 90, 9")
    settle(page, "losses=balanced_softmax&counts=900,90,9")
    (expected,) = loss_curves(["balanced_softmax"], [900, 90, 9])
    np.testing.assert_allclose(drawn(page, "own")["Balanced softmax, class 2"], expected.minority.gradient, rtol=1e-9)
    page.fill("#explorer-counts", "900, 90, many")
    page.locator("#explorer-counts-refused").wait_for(state="visible")
    assert page.inner_text("#explorer-drawn").startswith("Solid: a sample of class 2 (9 samples).")


def test_boxes_choose_losses_up_to_ten(page: Page, site: str) -> None:
    names = list(LOSSES)[:9]
    show(page, site, f"losses={','.join(names)}")
    page.check("#explorer-losses input[value=lade]")
    settle(page, f"losses={','.join([*names, 'lade'])}")
    assert len({*drawn(page, "loss")}) == 2 * 10  # of the rare class and, dashed, of the most frequent one
    colours = page.evaluate(
        "[...document.querySelector('.explorer-plot').data].map((curve) => curve.line.color + curve.line.dash)"
    )
    assert len({*colours}) == 2 * 10
    assert page.is_disabled("#explorer-losses input[value=dice]")
    page.uncheck("#explorer-losses input[value=lade]")
    settle(page, f"losses={','.join(names)}")
    assert page.is_enabled("#explorer-losses input[value=dice]")


def test_every_control_of_the_sample_is_in_the_link_and_the_link_shows_it_again(page: Page, site: str) -> None:
    show(page, site, "losses=vs,combo&counts=40,30,20,10")
    page.click("[data-sample=medium]")
    page.uncheck("#explorer-dashed")
    page.select_option("#explorer-axis", "margin")
    page.select_option("#explorer-rest", "rival")
    page.select_option("#explorer-other", "rare")
    page.fill("#explorer-share", "0.75")
    link = "losses=vs,combo&counts=40,30,20,10&sample=medium&dashed=no&other=rare&rest=rival&rival=0.75&axis=margin"
    settle(page, link)
    before = {figure: drawn(page, figure) for figure in ("loss", "own", "other")}
    show(page, site, link)
    assert {figure: drawn(page, figure) for figure in ("loss", "own", "other")} == before
    loss = build_loss("vs", [40, 30, 20, 10], reduction="none")
    grid = np.linspace(-10, 10, 201).tolist()
    expected = library_curve(loss, [40, 30, 20, 10], 2, 3, "rival", 0.75, "margin", grid)
    np.testing.assert_allclose(before["other"]["VS"], expected["other"], rtol=1e-9)


def test_reset_and_presets_show_their_views(page: Page, site: str) -> None:
    show(page, site, "losses=dice")
    for preset in page.locator("#explorer-presets a").all():
        preset.click()
        link = (preset.get_attribute("href") or "").removeprefix("#")
        settle(page, link)  # written as the page itself writes it, and nothing refused
        assert preset.get_attribute("aria-current") == "true"
        assert page.locator("#explorer-refused").is_hidden()
        exec(page.inner_text("#explorer-python"), {})
    page.click("#explorer-reset")
    settle(page, "")
    assert len(drawn(page, "loss")) == 10


def test_what_a_link_asks_wrongly_is_said_as_text_and_the_rest_is_shown(page: Page, site: str) -> None:
    markup = "<img src=x onerror=alert(1)>"
    show(page, site, f"losses=focal&focal.gamma=-3&rest={markup}&classes=1")
    assert page.inner_text("#explorer-refused") == (
        f"Of the link this cannot be shown: focal.gamma=-3; rest={markup}; "
        "the classes must be a whole number from 2 to 1000."
    )
    assert page.locator("#explorer img").count() == 0
    assert list(drawn(page, "loss")) == ["Focal, class 9", "Focal, class 0*"]


def test_table_reads_the_curves_off(page: Page, site: str) -> None:
    show(page, site, "losses=cross_entropy&dashed=no")
    page.fill("#explorer-at-p", "0.25")
    page.wait_for_function("document.querySelector('#explorer-table caption').textContent.endsWith('0.250')")
    assert page.locator("#explorer-table tbody td").all_inner_texts() == ["9", "1.3863", "-0.75000", "0.083333"]


def test_python_lines_are_copied(browser: Browser, site: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    show(page, site, "losses=ldam&ldam.scale=12")
    page.click("#explorer-copy")
    page.wait_for_function("document.getElementById('explorer-copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    context.close()
    loss = made_by(copied, "ldam", [])
    assert isinstance(loss, LDAMLoss)
    assert loss.scale == 12
    assert loss.class_counts is not None
    assert loss.class_counts.tolist() == list(exponential_counts(10, 1000, 20))


def test_on_a_phone_one_figure_stays_in_sight_of_the_sliders(page: Page, site: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    show(page, site)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    figures = page.locator("#explorer figure")
    assert [figures.nth(i).is_visible() for i in range(4)] == [True, False, False, False]
    page.click(".explorer-tabs [data-figure=own]")
    page.wait_for_function("document.querySelector('figure[data-figure=own]').offsetWidth > 300")
    assert [figures.nth(i).is_visible() for i in range(4)] == [False, True, False, False]
    page.locator("#explorer-of-sgpl input[type=range]").first.scroll_into_view_if_needed()
    box = page.locator("figure[data-figure=own] .main-svg").first.bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 300
    assert box["width"] > 300


def test_dark_mode_turns_the_figures_with_the_page(page: Page, site: str) -> None:
    show(page, site)
    light = colours(page)
    page.click("label[for=__palette_1]")
    page.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")
    page.wait_for_function("(was) => document.querySelector('.explorer-plot').data[0].line.color !== was", arg=light[0])
    dark = colours(page)
    for background, shown in ((1.0, light), (0.02, dark)):
        for colour in shown:
            assert contrast(colour, background) >= 3


def colours(page: Page) -> list[str]:
    """Of the curves and of the text of the first figure, as #rrggbb or rgb()."""
    found: list[str] = page.evaluate(
        """() => {
          const plot = document.querySelector(".explorer-plot");
          const probe = document.createElement("span");
          document.body.append(probe);
          return [...plot.data.map((curve) => curve.line.color), plot.layout.font.color].map((colour) => {
            probe.style.color = colour;
            return getComputedStyle(probe).color;
          });
        }"""
    )
    return found


def contrast(colour: str, background: float) -> float:
    """Of an rgb() colour against a background of some relative luminance, as WCAG defines it."""
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (max(luminance, background) + 0.05) / (min(luminance, background) + 0.05)


def test_every_control_has_a_name_and_an_identifier_of_its_own(page: Page, site: str) -> None:
    show(page, site, f"losses={','.join(list(LOSSES)[:10])}")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("#explorer :is(input, select, textarea, button)")]
          .filter((control) => !control.getAttribute("aria-label") && !control.textContent && !control.labels?.length)
          .map((control) => control.outerHTML)"""
    )
    assert nameless == []
    identifiers = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(identifiers) == len(set(identifiers))


def test_screenshot_in_the_docs_is_there_and_small(page: Page, site: str) -> None:
    """TAILWISE_SCREENSHOTS=1 takes it anew."""
    if os.environ.get("TAILWISE_SCREENSHOTS"):
        show(page, site)
        page.set_viewport_size({"width": 1280, "height": 1100})
        page.add_style_tag(content=".md-header, .md-content h1, .md-content h1 + p { display: none !important }")
        page.wait_for_timeout(500)
        page.screenshot(path=SCREENSHOT)
    assert 10_000 < SCREENSHOT.stat().st_size < 300_000
