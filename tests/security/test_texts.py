"""Names that others chose are shown as text: in pages, on terminals and in files."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli_cases import Command
from tailwise.terminal import visible

SCRIPT = "</script><script>alert(1)</script>"
QUOTES = "\"'><img src=x onerror=alert(1)>"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1m"
MARKUP = "[bold red]x[/bold red] [/] :boom:"
FORMULA = "=HYPERLINK(A1)"
MIRRORED = "safe\u202egnp.exe"
NAMES = [SCRIPT, QUOTES, ESCAPES, MARKUP, FORMULA, MIRRORED]


class Tags(HTMLParser):
    """The tags of a page and the attributes that run code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.handlers += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


def tags_of(page: Path) -> Tags:
    tags = Tags()
    tags.feed(page.read_text(encoding="utf-8"))
    return tags


def renamed(run: Path, names: list[str], **more: object) -> None:
    """A finished run whose classes have these names."""
    summary = json.loads((run / "summary.json").read_text())
    summary["class_names"] = names + [f"class {label}" for label in range(10 - len(names))]
    (run / "summary.json").write_text(json.dumps(summary | more))


def table(here: Path, names: list[str]) -> None:
    """A table whose classes have these names."""
    with (here / "x.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["a", "y"])
        rows.writerows([number, name] for number, name in enumerate(names * 6))


def test_report_of_hostile_names_has_the_tags_of_any_other(here: Path, tailwise_command: Command) -> None:
    hostile = {"recipe": SCRIPT, "loss": QUOTES, "command": SCRIPT, "model": SCRIPT}
    assert tailwise_command("report", "run", "-o", "plain.html")[0] == 0
    renamed(here / "run", NAMES, **hostile)
    (here / "run/environment.json").write_text(json.dumps({SCRIPT: QUOTES}))
    assert tailwise_command("report", "run", "-o", "hostile.html")[0] == 0
    plain, page = tags_of(here / "plain.html"), tags_of(here / "hostile.html")
    assert page.found.count("script") == plain.found.count("script")
    assert page.found.count("img") == plain.found.count("img")
    assert page.handlers == []


def test_inspection_of_hostile_names_has_no_tag_of_theirs(here: Path, tailwise_command: Command) -> None:
    table(here, NAMES)
    code, output, error = tailwise_command("inspect", "x.csv", "--out", "page.html", "--recipe", "mine.yaml")
    assert code == 0, error
    page = tags_of(here / "page.html")
    assert "script" not in page.found
    assert page.handlers == []
    assert "\x1b" not in output + error
    assert MARKUP in output


def test_terminal_shows_what_names_hold_and_obeys_nothing(here: Path, tailwise_command: Command) -> None:
    renamed(here / "run", [f"{ESCAPES}{MARKUP}{MIRRORED}{label}" for label in range(10)], loss=ESCAPES, model=MARKUP)
    code, output, error = tailwise_command("predict", "run", "new.npz")
    assert code == 0, error
    assert not set("\x1b\x07\x9b\u202e") & set(output + error)
    assert "␛]0;owned" in output
    assert "␛[2J␛[31mred" in output
    assert "[bold red]x[/bold red]" in output


def test_message_about_a_hostile_name_is_one_visible_line(here: Path, tailwise_command: Command) -> None:
    (here / f"{ESCAPES}.csv").write_text("a\n1\n")
    code, _, error = tailwise_command("inspect", f"{ESCAPES}.csv")
    assert code == 2
    assert not set("\x1b\x07\x9b") & set(error)
    assert len(error.splitlines()) == 1


def test_predictions_hold_names_as_they_are_which_spreadsheets_must_be_told(
    here: Path, tailwise_command: Command
) -> None:
    renamed(here / "run", [f"{FORMULA}{label}" for label in range(10)])
    assert tailwise_command("predict", "run", "new.npz", "--out", "x.csv")[0] == 0
    with (here / "x.csv").open(newline="", encoding="utf-8") as file:
        assert all(row["class"].startswith(FORMULA) for row in csv.DictReader(file))


@pytest.mark.parametrize("text", ["Größe", "猫", "👩\u200d🔬", "a\tb\nc", "क्\u200dष"])
def test_what_is_no_control_character_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
