"""YAML as recipes are written, read without trusting it: no code, no key twice, no aliases without end."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from tailwise.reading import read_text

LARGEST_FILE = 1_000_000
"""Bytes; the counts of a hundred thousand classes have some 800 000."""
LARGEST_TREE = 1_000_000
"""Entries, with what stands behind an alias counted wherever it is used."""
DEEPEST = 100


class YAMLProblemError(ValueError):
    """A text that is not YAML, or not of a kind that is read; the message says where."""


def read_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        OSError: it cannot be read, or is larger than :data:`LARGEST_FILE`.
        UnicodeDecodeError: it is in another encoding than UTF-8.
        YAMLProblemError: see :func:`parse_yaml`.
    """
    return parse_yaml(read_text(path, LARGEST_FILE))


def parse_yaml(text: str) -> Any:
    """What YAML says: mappings, lists, texts, numbers, truths and dates.

    Raises:
        YAMLProblemError: it is no YAML, has another tag, a key twice, an alias of itself, or is nested too deeply.
    """
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise YAMLProblemError(_where(error)) from error
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, 0)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise YAMLProblemError(_where(error)) from error
    except RecursionError:
        raise YAMLProblemError(f"it is nested more than {DEEPEST} deep") from None
    finally:
        loader.dispose()


def _measure(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """How many entries a node has, each alias counted as what it stands for."""
    if depth > DEEPEST:
        raise YAMLProblemError(f"it is nested more than {DEEPEST} deep in line {node.start_mark.line + 1}")
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if (known := sizes.get(id(node))) is not None:
        if known == 0:
            raise YAMLProblemError(f"an alias stands for what holds itself, in line {node.start_mark.line + 1}")
        return known
    sizes[id(node)] = 0  # until it is known: who comes here before is inside of it
    below = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    size = 1 + sum(_measure(part, sizes, depth + 1) for part in below)
    if size > LARGEST_TREE:
        raise YAMLProblemError(f"its aliases stand for more than {LARGEST_TREE:,} entries")
    sizes[id(node)] = size
    return size


def _where(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else str(problem)


class _Loader(yaml.SafeLoader):
    """The safe loader, refusing a key that stands twice: YAML would silently keep the second."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # a date or number in form, but not one that there is: each has its own
            raise yaml.constructor.ConstructorError(
                None, None, f"{_shortened(node.value)} cannot be read ({_shortened(str(error))})", node.start_mark
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _shortened(text: object) -> str:
    shown = str(text)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
