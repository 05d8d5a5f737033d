"""Figures that pages quote: those of the results and of the performance page, by what they are of."""

from __future__ import annotations

import itertools
import re
import shlex
from collections import defaultdict

Measured = dict[tuple[str, str, str], list[str]]


def tables(text: str) -> list[list[list[str]]]:
    """The rows of each table, the header first, as cells without emphasis."""
    found = re.findall(r"^\|.*\n\|[ :|-]+\n(?:\|.*\n)+", text, re.MULTILINE)
    rows = [[row for number, row in enumerate(table.splitlines()) if number != 1] for table in found]
    return [[[plain(cell) for cell in row.strip().strip("|").split("|")] for row in table] for table in rows]


def plain(cell: str) -> str:
    return re.sub(r"\*\*|\\\*", "", cell).strip()


def measured(results: str) -> Measured:
    """(recipe, method, column) -> the cells of the results page that tell it, for the tables below each command."""
    cells: Measured = defaultdict(list)
    for command, below in re.findall(r"^\$ tailwise (compare .*?)$(.*?)(?=^\$ |\Z)", results, re.MULTILINE | re.DOTALL):
        words = shlex.split(command)[1:]
        recipes = list(itertools.takewhile(lambda word: not word.startswith("--"), words))
        found = [table for table in tables(below) if table[0][0] == "method"]
        assert len(found) == len(recipes), f"{len(found)} tables below {command}"
        for recipe, (header, *rows) in zip(recipes, found, strict=True):
            for name, *values in rows:
                for column, value in zip(header[1:], values, strict=True):
                    cells[recipe, name, column].append(value)
    return cells


def quotes(text: str) -> list[tuple[tuple[str, str, str], str]]:
    """What a page quotes: tables headed by a metric and recipes, or by a recipe and metrics, a method a row."""
    found = []
    for header, *rows in tables(text):
        first, *columns = header
        recipes = [cell for cell in columns if re.fullmatch(r"`[\w-]+/[\w-]+`", cell)]
        by_recipe = bool(re.fullmatch(r"`[\w-]+/[\w-]+`", first))
        if not by_recipe and not (recipes and len(recipes) == len(columns)):
            continue
        for name, *values in rows:
            for column, value in zip(columns, values, strict=True):
                key = (first.strip("`"), name, column) if by_recipe else (column.strip("`"), name, first)
                if value:
                    found.append((key, value))
    return found


def costs(performance: str) -> dict[str, tuple[str, str]]:
    """Loss -> its time in units of cross entropy, of small and of large batches."""
    (table,) = (table for table in tables(performance) if table[0][0] == "loss")
    return {row[0]: (row[1], row[3]) for row in table[1:]}
