"""Text files that list images."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.sources.messages import one_line
from tailwise.data.sources.list_file import read_list
from tailwise.errors import InputError


def written(folder: Path, text: str) -> Path:
    path = folder / "list.txt"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a.jpg 0\nb/c.jpg 12\n", [0, 12]),
        ("a.jpg\t7\r\n\r\n  b/c.jpg   -1  \r\n", [7, -1]),
        ("\ufeffa.jpg 0\nb/c.jpg 007", [0, 7]),
        ("a.jpg 0\nb/c.jpg owl", ["0", "owl"]),
        ("a.jpg 0.5\nb/c.jpg 1", ["0.5", "1"]),
        (f"a.jpg 1\nb/c.jpg {10**19}", ["1", str(10**19)]),
    ],
)
def test_lines_hold_a_path_and_a_label(tmp_path: Path, text: str, labels: list[int | str]) -> None:
    table = read_list(written(tmp_path, text))
    assert table.inputs(slice(None)).tolist() == ["a.jpg", "b/c.jpg"]
    assert table.labels.tolist() == labels


def test_a_path_may_have_spaces_and_a_line_knows_its_number(tmp_path: Path) -> None:
    table = read_list(written(tmp_path, "\nred cat.jpg 0\n\n\nblue  dog.jpg 1\n"))
    assert table.inputs(slice(None)).tolist() == ["red cat.jpg", "blue  dog.jpg"]
    assert table.lines.tolist() == [2, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a.jpg 0\nb.jpg\n", "no path and label in line 2"), ("", "lists no images"), ("\n \n", "lists no images")],
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=one_line(path, message)):
        read_list(path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InputError, match=one_line(path, "not a readable text file")):
        read_list(path)
