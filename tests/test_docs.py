"""The documentation runs: its Python blocks, the recipes it shows, and the commands it tells one to type."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest
import torch

import tailwise.cli
from metric_cases import METRICS
from recipe_trees import quick_recipe
from svg_texts import svg_texts
from tailwise.losses import LOSSES
from tailwise.posthoc import POSTHOC
from tailwise.recipes.catalog import catalog, load_recipe
from tailwise.training.engine import RunOptions, train

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@every_page
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(quick_recipe(), tmp_path / "runs/digits/ce/seed-0", RunOptions(device="cpu"))  # what some blocks read
    torch.manual_seed(0)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)


@every_page
def test_commands_name_recipes_and_settings_that_exist(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in blocks(page, "yaml"):
        name = re.match(r"# (\S+\.yaml)", text)
        assert name, f"the YAML block of {page.name} does not say which file it is"
        Path(name[1]).write_text(text)
        template = load_recipe(name[1])
        for row in template.rows:
            template.resolve(template.trained_for(row))
    for line in re.findall(
        r"^\$ (?:\S*/)?tailwise ((?:train|compare) .*)$", "".join(blocks(page, "console")), re.MULTILINE
    ):
        _, recipe, *rest = shlex.split(line, comments=True)
        settings = [value for option, value in itertools.pairwise(rest) if option == "--set"]
        methods = [value for option, value in itertools.pairwise(rest) if option == "--loss"]
        template = load_recipe(recipe)
        for method in methods[0].split(",") if methods else template.methods:
            template.resolve(template.trained_for(method), 0, settings)


@every_page
def test_tables_have_the_rows_that_their_command_prints(page: Path) -> None:
    seen = 0
    pattern = r"^\$ (?:\S*/)?tailwise (compare .*?)$(.*?)(?=^\$ |^#|\Z)"
    for command, below in re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL):
        _, recipe, *rest = shlex.split(command, comments=True)
        methods = [value for option, value in itertools.pairwise(rest) if option == "--loss"]
        tables = re.findall(r"^\| method \|.*\n\|.*\n((?:\|.*\n)+)", below, re.M)
        if tables:
            expected = methods[0].split(",") if methods else load_recipe(recipe).rows
        for table in tables:
            seen += 1
            assert [line.split("|")[1].strip() for line in table.splitlines()] == expected
    assert seen == {"index.md": 1, "results.md": 16}.get(page.name, 0)


def test_loss_figure_is_what_its_command_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join(blocks(REPOSITORY / "docs/losses.md", "console"))
    (line,) = re.findall(r"^\$ (tailwise losses show .*)$", text, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with pytest.raises(SystemExit) as exit_:
        tailwise.cli.main()
    assert exit_.value.code == 0
    figure = Path(capsys.readouterr().out.strip())
    # Its text alone: the last digits of a curve's coordinates may differ between processors.
    assert svg_texts(figure) == svg_texts(REPOSITORY / figure)


@every_page
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_methods_page_has_every_recipe_of_the_founding_methods_and_no_other() -> None:
    text = (REPOSITORY / "docs/methods.md").read_text()
    shown = {name for pattern in re.findall(r"`([\w-]+/[\w{},.-]+)`", text) for name in spelled_out(pattern)}
    founding = {name for name in catalog() if name.split("/")[0] in ("gppe", "sgpl", "gala", "ppl-cri")}
    assert founding <= shown <= set(catalog())


def spelled_out(pattern: str) -> list[str]:
    """``a-{x,y}`` is a-x and a-y."""
    parts = [part.split(",") for part in re.split(r"[{}]", pattern)]
    return ["".join(choice) for choice in itertools.product(*parts)]


def test_loss_page_lists_every_loss() -> None:
    text = (REPOSITORY / "docs/losses.md").read_text()
    assert all(f"`{entry.cls.__name__}`" in text for entry in LOSSES.values())


def test_metrics_page_lists_every_metric() -> None:
    text = (REPOSITORY / "docs/metrics.md").read_text()
    assert all(f"`{name}`" in text for name in (*METRICS, "classification_report"))


def test_posthoc_page_says_of_every_loss_what_the_registry_says_about_adjusting_it() -> None:
    text = (REPOSITORY / "docs/posthoc.md").read_text()
    (rows,) = re.findall(r"^\| loss \| adjust\? \|.*\n\|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|\n").split("|")] for row in rows.splitlines()]
    assert {name.strip("`"): answer for name, answer, _ in cells} == {
        name: entry.adjust_at_test for name, entry in LOSSES.items()
    }
    assert all(reason for _, _, reason in cells)


def test_posthoc_page_says_of_every_correction_what_it_needs() -> None:
    text = (REPOSITORY / "docs/posthoc.md").read_text()
    for name, cls in POSTHOC.items():
        rows = re.findall(rf"^\| `{cls.__name__}`.* \| `{name}` \| (.*?) \|", text, re.MULTILINE)
        assert rows, f"no row for {cls.__name__} as {name}"
        assert all(row.split(" and ")[0].split(",")[0] in cls.needs for row in rows)
