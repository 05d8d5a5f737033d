"""What a user means by DATA: a path, a data set by its name, or a recipe."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tailwise.data.config import DataConfig
from tailwise.data.sources import SOURCES
from tailwise.data.sources.base import locate
from tailwise.data.sources.csv import column_names_of, separator_hint
from tailwise.errors import InputError
from tailwise.reading import expanded
from tailwise.recipes.catalog import catalog, load_recipe, validate
from tailwise.recipes.overrides import CHOSEN_OTHERWISE, override, parse_override

FILES = {".csv": "csv", ".parquet": "parquet", ".npz": "npz", ".txt": "image-list"}
"""The source that reads a file, by the end of its name."""
LABEL_COLUMNS = ("label", "target", "class", "labels", "y")
"""Of a CSV table, in the order in which one is taken for that of the labels."""


def data_config(data: str, settings: Sequence[str], root: Path | None) -> DataConfig:
    """The data that ``data`` names.

    Args:
        data: a folder of images, a file, the name of a data set or of a recipe, or a recipe file.
        settings: ``data.KEY=VALUE``, laid over what follows from ``data``.
        root: folder of data sets.

    Raises:
        InputError: it is none of these, or the settings do not go with it.
    """
    tree = {"data": _tree(data, _given(settings), root)}
    override(tree, settings)
    return validate(DataConfig, tree["data"], data)


def _given(settings: Sequence[str]) -> set[str]:
    keys = {parse_override(setting)[0] for setting in settings}
    for key in sorted(keys):
        if not key.startswith("data."):
            reason = f" ({key} is chosen with {CHOSEN_OTHERWISE[key]})" if key in CHOSEN_OTHERWISE else ""
            raise InputError(f"inspect takes settings of the data alone, --set data.KEY=VALUE, got {key}{reason}")
    return keys


def _tree(data: str, given: set[str], root: Path | None) -> dict[str, Any]:
    if data.endswith((".yaml", ".yml")) or data in catalog():
        return load_recipe(data).resolve().data.model_dump(mode="json")
    if data in SOURCES and not SOURCES[data].needs_fields():
        return {"source": {"name": data}}
    path = expanded(data)
    exists = path.exists() or (root is not None and (expanded(root) / path).exists())
    if not exists:
        known = [*catalog(), *(name for name, source in SOURCES.items() if not source.needs_fields())]
        near = difflib.get_close_matches(data, known, n=1, cutoff=0.6)
        raise InputError(
            f"there is no file, folder, data set or recipe {data!r}"
            + (f"; did you mean {near[0]}?" if near else "; `tailwise datasets` and `tailwise recipes` list the known")
        )
    found = locate(path, root)
    if found.is_dir():
        return {"source": {"name": "image-folder", "path": data}}
    if found.suffix.lower() not in FILES:
        raise InputError(f"{data} must end in {', '.join(FILES)} or .yaml, or be a folder of images")
    source: dict[str, Any] = {"name": FILES[found.suffix.lower()], "train": data}
    if source["name"] == "csv" and "data.source.target" not in given:
        source["target"] = label_column(found)
    return {"source": source}


def label_column(path: Path) -> str:
    """The column of a CSV table that holds the labels, by its name.

    Raises:
        InputError: none has such a name, or the file is no table.
    """
    columns = column_names_of(path)
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    for name in LABEL_COLUMNS:
        if name in by_name:
            return by_name[name]
    shown = ", ".join(columns[:10]) + (", ..." if len(columns) > 10 else "")
    raise InputError(
        f"{path} has no column named {', '.join(LABEL_COLUMNS[:-1])} or {LABEL_COLUMNS[-1]}; say which holds the "
        f"labels with --set data.source.target=COLUMN (there are {shown}){separator_hint(columns[0])}"
    )
