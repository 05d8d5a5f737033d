"""`tailwise inspect` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_cases import Command, assert_one_line


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [f"{n},{n * n % 17},{'rare' if n % 10 == 0 else 'usual'}" for n in range(300)]
    Path("readings.csv").write_text("\n".join(["a,b,label", *rows]))
    return Path("readings.csv")


def test_picture_facts_and_commands_are_printed_and_the_files_written(table: Path, tailwise_command: Command) -> None:
    code, output, _ = tailwise_command("inspect", table, "--recipe", "mine.yaml", "--out", "page.html")
    assert code == 0
    for part in (
        "usual  ████",
        "imbalance factor     9 (216 to 24 samples)",
        "tailwise train mine.yaml",
        "Page: page.html",
    ):
        assert part in output
    assert {path.name for path in Path().iterdir()} == {"readings.csv", "mine.yaml", "page.html"}
    again = ["--set", "training.epochs=1", "--out", "run"]
    assert tailwise_command("train", "mine.yaml", *again)[0] == 0


def test_labels_only_reads_no_sample(table: Path, tailwise_command: Command) -> None:
    code, output, _ = tailwise_command("inspect", table, "--labels-only")
    assert code == 0
    assert "fewer than 10 test samples" in output
    assert "features" not in output


def test_data_root_is_handed_on_to_the_commands(data_root: Path, tmp_path: Path, tailwise_command: Command) -> None:
    words = ("htru2", "--labels-only", "--recipe", tmp_path / "h.yaml", "--data-root", data_root)
    code, output, _ = tailwise_command("inspect", *words)
    assert code == 0
    assert output.count(f"--data-root {data_root}") == 2


def test_what_was_found_is_printed_though_another_file_is_where_the_recipe_goes(
    table: Path, tailwise_command: Command
) -> None:
    before = table.read_text()
    result = tailwise_command("inspect", table, "--recipe", table)
    assert "usual  ████" in result[1]
    assert_one_line(result, 2, "readings.csv is there already and differs; name another file with --recipe")
    assert table.read_text() == before


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("nowhere",), ("there is no file, folder, data set or recipe 'nowhere'",)),
        (("readings.csv", "--out", "page.txt"), ("written as .html", "page.txt")),
        (("readings.csv", "--set", "model.name=mlp"), ("settings of the data alone",)),
        (("readings.csv", "--set", "data.source.target=c"), ("no column 'c'",)),
    ],
)
def test_wrong_words_are_one_line(
    words: tuple[str, ...], parts: tuple[str, ...], table: Path, tailwise_command: Command
) -> None:
    before = table.read_text()
    assert_one_line(tailwise_command("inspect", *words), 2, *parts)
    assert [path.name for path in Path().iterdir()] == ["readings.csv"]
    assert table.read_text() == before
