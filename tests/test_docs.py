"""The documentation runs: its Python blocks, the recipes it shows, and the commands it tells one to type."""

from __future__ import annotations

import itertools
import re
import runpy
import shlex
from pathlib import Path

import pytest
import torch
import typer.main
from markdown.extensions.toc import slugify

import tailwise.cli
from metric_cases import METRICS
from quoted import costs, measured, quotes
from recipe_trees import quick_recipe
from svg_texts import svg_texts
from tailwise.cli import UsageError
from tailwise.losses import LOSSES
from tailwise.posthoc import POSTHOC
from tailwise.recipes.catalog import catalog, load_recipe
from tailwise.training.engine import RunOptions, train

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
METHOD_PAGES = [path for path in PAGES if path.parent.name == "methods" and path.name != "index.md"]
QUOTING = [REPOSITORY / "docs/choosing.md", *METHOD_PAGES]


def shown(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


every_page = pytest.mark.parametrize("page", PAGES, ids=shown)
every_quoting_page = pytest.mark.parametrize("page", QUOTING, ids=shown)
every_method_page = pytest.mark.parametrize("page", METHOD_PAGES, ids=shown)


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
def test_commands_have_arguments_that_the_command_line_takes(page: Path) -> None:
    for line in re.findall(r"^\$ (?:\S*/)?tailwise (.*)$", "".join(blocks(page, "console")), re.MULTILINE):
        command, words = typer.main.get_command(tailwise.cli.app), shlex.split(line, comments=True)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        try:
            command.make_context(command.name, list(words))
        except typer.Exit:  # --help
            assert "--help" in words
        except UsageError as error:
            pytest.fail(f"tailwise {line}: {error.format_message()}")


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
    assert seen == {"docs/images.md": 1, "docs/start.md": 1, "docs/results.md": 16}.get(shown(page), 0)


def figure_commands(*programs: str) -> list[tuple[str, str]]:
    """(page, command) of the lines that draw a figure of the documentation."""
    return [
        (shown(page), line)
        for page in PAGES
        for line in re.findall(r"^\$ (.*docs/images/.*)$", "".join(blocks(page, "console")), re.MULTILINE)
        if line.startswith(programs)
    ]


@pytest.mark.parametrize(("page", "line"), figure_commands("tailwise losses show"))
def test_loss_figure_is_what_its_command_draws(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with pytest.raises(SystemExit) as exit_:
        tailwise.cli.main()
    assert exit_.value.code == 0
    figure = Path(capsys.readouterr().out.strip())
    # Its text alone: the last digits of a curve's coordinates may differ between processors.
    assert svg_texts(figure) == svg_texts(REPOSITORY / figure)


@pytest.mark.parametrize(("page", "line"), figure_commands("python docs/pictures/"))
def test_picture_is_what_its_script_draws(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, script, figure = shlex.split(line)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [script, figure])
    runpy.run_path(str(REPOSITORY / script), run_name="__main__")
    assert svg_texts(Path(figure)) == svg_texts(REPOSITORY / figure)


def test_every_script_and_every_figure_of_a_method_belongs_to_a_page() -> None:
    drawn = {line.split()[-1] for _, line in figure_commands("tailwise losses show", "python docs/pictures/")}
    scripts = {line.split()[1] for _, line in figure_commands("python docs/pictures/")}
    assert {shown(path) for path in (REPOSITORY / "docs/pictures").glob("*.py")} == scripts
    assert {shown(path) for path in (REPOSITORY / "docs/images/methods").iterdir()} <= drawn


@every_quoting_page
def test_tables_quote_the_results(page: Path) -> None:
    results = measured((REPOSITORY / "docs/results.md").read_text())
    quoted = quotes(page.read_text())
    assert quoted or page.stem == "ride", "no measured figure"
    for key, value in quoted:
        assert value in results[key], f"{key} is {results[key]}, the page says {value}"


@every_quoting_page
def test_percentages_in_the_text_are_measured_or_published(page: Path) -> None:
    known = "".join((REPOSITORY / f"docs/{name}.md").read_text() for name in ("results", "performance"))
    known += " ".join(recipe.published or "" for recipe in catalog().values())
    text = re.sub(r"^```.*?^```|^ {4}.*?$|^\|.*?$|\]\(.*?\)", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for number in re.findall(r"\b\d\d\.\d+\b", text):
        assert re.search(rf"\b{re.escape(number)}\b", known), number


@every_quoting_page
def test_costs_are_those_of_the_performance_page(page: Path) -> None:
    known = costs((REPOSITORY / "docs/performance.md").read_text())
    told = re.findall(r"`(\w+)` (\d\.\d\d)\s+and\s+(\d\.\d\d)", page.read_text())
    assert all(known[name] == (small, large) for name, small, large in told)
    assert bool(told) == ("times cross entropy, forward and backward" in page.read_text())


@every_method_page
def test_page_of_a_method_says_what_it_is_shows_it_and_how_to_use_it(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["When it helps, when it hurts", "To use it"]
    assert "![" in text
    assert blocks(page, "python")
    assert 50 <= len(text.splitlines()) <= 90


def test_every_loss_has_a_page_of_its_method() -> None:
    text = "".join(page.read_text() for page in METHOD_PAGES)
    assert [entry.cls.__name__ for entry in LOSSES.values() if entry.cls.__name__ not in text] == []


@every_page
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)]+)", page.read_text()):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.MULTILINE)
    return {slugify(heading, "-") for heading in headings}


def test_methods_page_has_every_recipe_of_the_founding_methods_and_no_other() -> None:
    text = (REPOSITORY / "docs/methods/index.md").read_text()
    told = {name for pattern in re.findall(r"`([\w-]+/[\w{},.-]+)`", text) for name in spelled_out(pattern)}
    founding = {name for name in catalog() if name.split("/")[0] in ("gppe", "sgpl", "gala", "ppl-cri")}
    assert founding <= told <= set(catalog())


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
