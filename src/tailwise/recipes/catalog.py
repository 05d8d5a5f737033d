"""Find recipes by name or file, and resolve them, with the user's settings, to runs."""

from __future__ import annotations

import copy
import difflib
import itertools
import math
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from tailwise.errors import InputError
from tailwise.losses import find_loss
from tailwise.posthoc import POSTHOC, build_posthoc, posthoc_arguments
from tailwise.reading import expanded
from tailwise.recipes.config import Recipe
from tailwise.recipes.overrides import Tree, merge, override
from tailwise.recipes.yaml_text import YAMLProblemError, parse_yaml, read_yaml

Model = TypeVar("Model", bound=BaseModel)
LONGEST_VALUE = 200
"""Characters of a wrong value that a message repeats."""


class Correction(BaseModel):
    """A row of `compare` that is not trained: another method's runs with their test logits corrected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    posthoc: str
    tau: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    test_prior: Literal["uniform"] | list[float] | None = None
    metric: str | None = None
    costs: list[float] | list[list[float]] | None = None

    @field_validator("posthoc")
    @classmethod
    def _check_posthoc(cls, name: str) -> str:
        if name not in POSTHOC:
            raise ValueError(f"there is no {name!r}; there are {', '.join(POSTHOC)}")
        return name

    @model_validator(mode="after")
    def _check_arguments(self) -> Self:
        """Refused before anything is trained: all but a test prior of the wrong number of classes."""
        num_classes = len(self.test_prior) if isinstance(self.test_prior, list) else 2
        build_posthoc(self.posthoc, [1] * num_classes, **self.arguments)
        return self

    @property
    def arguments(self) -> Tree:
        """The arguments of the correction: those that were given, and tau where it has one."""
        default = {"tau"} & set(posthoc_arguments(self.posthoc))
        given = (self.model_fields_set | default) - {"method", "posthoc"}
        return {key: getattr(self, key) for key in sorted(given) if getattr(self, key) is not None}

    @property
    def words(self) -> str:
        """What makes `evaluate` correct a run in this way."""
        prior = ",".join(map(str, self.test_prior)) if isinstance(self.test_prior, list) else self.test_prior
        shown = {"tau": f"{self.tau:g}", "test_prior": prior, "metric": self.metric, "costs": "FILE"}
        options = [f"--{key.replace('_', '-')} {shown[key]}" for key in self.arguments]
        return " ".join([f"--posthoc {self.posthoc}", *options])


class Choice(BaseModel):
    """One choice of an axis of a matrix: the settings it brings, and what else it changes."""

    model_config = ConfigDict(extra="allow")

    about: str | None = Field(None, description="stands for the axis in the family's own about; by default the choice")
    methods: dict[str, Tree | None] = Field(default_factory=dict)
    corrections: dict[str, Correction] = Field(default_factory=dict)

    @property
    def settings(self) -> Tree:
        """What is laid over the settings of the family."""
        return dict(self.model_extra or {})


class Family(BaseModel):
    """One recipe file: settings common to its recipes, and a matrix of those in which they differ.

    Each combination of one choice per axis is a recipe. Its name is ``name`` with ``{axis}`` replaced by the choice;
    its settings are ``settings`` overridden by those of its choices, axis after axis, and its methods and corrections
    those of the family and of its choices.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    about: str
    matrix: dict[str, Annotated[dict[str, Choice], Field(min_length=1)]] = Field(default_factory=dict)
    settings: Tree
    methods: dict[str, Tree | None] = Field(
        description="what `compare` runs: a method's name and its own settings", min_length=1
    )
    corrections: dict[str, Correction] = Field(
        default_factory=dict, description="further rows of `compare`: a method of the recipe, corrected after training"
    )
    published: dict[str, str] = Field(default_factory=dict, description="recipe -> the figure that it answers to")


@dataclass(frozen=True)
class RecipeTemplate:
    """A recipe of the catalogue or of a user's file, before a method, a seed and settings are chosen."""

    name: str
    about: str
    published: str | None
    settings: Tree
    methods: dict[str, Tree]
    corrections: dict[str, Correction]

    def __post_init__(self) -> None:
        for name, correction in self.corrections.items():
            if name in self.methods:
                raise InputError(f"{self.name}: {name!r} is both a method and a correction; rename one")
            if correction.method not in self.methods:
                raise InputError(
                    f"{self.name}: {name!r} corrects {correction.method!r}, which is no method; "
                    f"there are {', '.join(self.methods)}"
                )

    @property
    def rows(self) -> list[str]:
        """What `compare` shows by default."""
        return [*self.methods, *self.corrections]

    def trained_for(self, row: str) -> str:
        """The method whose runs a row shows."""
        return self.corrections[row].method if row in self.corrections else row

    def resolve(self, method: str | None = None, seed: int | None = None, overrides: Sequence[str] = ()) -> Recipe:
        """The run of one method.

        Args:
            method: a method of the recipe, or any registered loss, with its default settings; by default the first.
            seed: replaces the recipe's.
            overrides: ``key=value`` with a dotted key and a YAML value, applied last; names before what is set beside.

        Raises:
            InputError: an unknown method, key or value.
        """
        method = next(iter(self.methods)) if method is None else method
        if method in self.corrections:
            correction = self.corrections[method]
            raise InputError(
                f"{method} is {correction.method}, corrected after training: train {correction.method}, then "
                f"`tailwise evaluate RUN {correction.words}`"
            )
        tree: Tree = merge(self.settings, self._method_settings(method))
        tree |= {"recipe": self.name, "method": method}
        if seed is not None:
            tree["seed"] = seed
        override(tree, overrides)
        return validate(Recipe, tree, f"recipe {self.name}")

    def _method_settings(self, method: str) -> Tree:
        if method in self.methods:
            own = self.methods[method]
        else:
            try:
                find_loss(method)
            except ValueError as error:
                raise InputError(
                    f"{self.name} has no method {method!r}, only {', '.join(self.rows)}, and {error}"
                ) from error
            own = {}
        return merge({"loss": {"name": method}}, own)


def load_recipe(name: str) -> RecipeTemplate:
    """A recipe of the catalogue by name, or of the user's own file by path.

    Raises:
        InputError: there is no such recipe, or the file is not one.
    """
    if name.endswith((".yaml", ".yml")):
        return _single(expanded(name))
    known = catalog()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "`tailwise recipes` lists them; a file of your own ends in .yaml"
        raise InputError(f"no recipe is named {name!r}: {hint}")
    return known[name]


@cache
def catalog() -> dict[str, RecipeTemplate]:
    """Every recipe of the package by name."""
    found: dict[str, RecipeTemplate] = {}
    folder = resources.files("tailwise.recipes")
    for group in sorted(entry.name for entry in folder.iterdir() if entry.is_dir()):
        for file in sorted((folder / group).iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".yaml"):
                tree = parse_yaml(file.read_text(encoding="utf-8"))
                for template in expand(_family(tree, f"{group}/{file.name}")):
                    found[template.name] = template
    return found


def corrections_of(recipe: str) -> dict[str, Correction]:
    """The corrections of a recipe of the package; none of one that is not."""
    known = catalog()
    return dict(known[recipe].corrections) if recipe in known else {}


def _single(path: Path) -> RecipeTemplate:
    try:
        tree = read_yaml(path)
    except FileNotFoundError:
        raise InputError(f"there is no recipe file {path}; `tailwise recipes` lists the built-in ones") from None
    except YAMLProblemError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read recipe file {path}: {error}; give a YAML file in UTF-8") from error
    family = _family(tree, str(path))
    combinations = math.prod(map(len, family.matrix.values()))
    if combinations > 1:
        raise InputError(f"{path} has a matrix of {combinations} recipes; a file given by path holds one")
    return expand(family)[0]


def _family(tree: Any, origin: str) -> Family:
    if not isinstance(tree, dict):
        raise InputError(f"{origin} must be a YAML mapping with name, about, settings and methods")
    return validate(Family, tree, origin)


def expand(family: Family) -> list[RecipeTemplate]:
    """Every recipe of a file."""
    templates = []
    for names in itertools.product(*family.matrix.values()):
        picked = {axis: (name, family.matrix[axis][name]) for axis, name in zip(family.matrix, names, strict=True)}
        name = _filled(family, family.name, {axis: key for axis, (key, _) in picked.items()})
        about = _filled(family, family.about, {axis: choice.about or key for axis, (key, choice) in picked.items()})
        settings, methods, corrections = family.settings, dict(family.methods), dict(family.corrections)
        for _, choice in picked.values():
            settings = merge(settings, choice.settings)
            methods |= choice.methods
            corrections |= choice.corrections
        own = {method: copy.deepcopy(changes or {}) for method, changes in methods.items()}
        templates.append(RecipeTemplate(name, about, family.published.get(name), settings, own, corrections))
    unknown = set(family.published) - {template.name for template in templates}
    if unknown:
        raise InputError(
            f"{family.name}: published names {min(unknown)!r}, which is no recipe of the file; "
            f"there are {', '.join(template.name for template in templates)}"
        )
    return templates


def _filled(family: Family, text: str, choices: Mapping[str, str]) -> str:
    """The text with each ``{axis}`` replaced by a choice; unlike ``str.format`` it knows no other braces."""
    pieces = re.split(r"\{(\w+)\}", text)
    unknown = [axis for axis in pieces[1::2] if axis not in choices]
    if unknown or any(set(piece) & set("{}") for piece in pieces[::2]):
        raise InputError(f"{family.name}: name and about may hold {{axis}} of the matrix alone, got {text!r}")
    return "".join(choices[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def parse_corrections(texts: Sequence[str]) -> dict[str, Correction]:
    """``METHOD=POSTHOC``, each as a row METHOD+POSTHOC whose correction has its default arguments.

    Raises:
        InputError: a text is none of these or stands twice, or there is no such correction, or it needs arguments.
    """
    rows: dict[str, Correction] = {}
    for text in texts:
        method, equals, posthoc = text.rpartition("=")
        if not equals or not method or not posthoc:
            raise InputError(f"--correction takes METHOD=POSTHOC, got {text!r}; for example ce=logit-adjustment")
        name = f"{method}+{posthoc}"
        if name in rows:
            raise InputError(f"--correction {text} stands twice; give it once")
        for argument, needed in posthoc_arguments(posthoc).items() if posthoc in POSTHOC else ():
            if needed:
                raise InputError(
                    f"--correction {text}: {posthoc} needs {argument}, which has no default; give a correction that "
                    "needs no argument"
                )
        rows[name] = validate(Correction, {"method": method, "posthoc": posthoc}, f"--correction {text}")
    return rows


def validate(model: type[Model], tree: Tree, origin: str) -> Model:
    """Build a pydantic model; its first error becomes one line that names the field."""
    try:
        checked = model.model_validate(tree)
    except ValidationError as error:
        raise InputError(f"{origin}: {_describe(error, model)}") from error
    if (field := _truth_as_number(tree, checked.model_dump())) is not None:
        raise InputError(f"{origin}: {field} takes no true or false; give a number or a word")
    return checked


def _truth_as_number(given: Any, checked: Any) -> str | None:
    """Dotted name of the first field in which a truth was taken for the number 0 or 1, as pydantic does."""
    if isinstance(given, bool):
        return None if isinstance(checked, bool) else ""
    pairs: Iterable[tuple[Any, Any, Any]] = ()
    if isinstance(given, dict) and isinstance(checked, dict):
        pairs = ((key, value, checked[key]) for key, value in given.items() if key in checked)
    elif isinstance(given, list) and isinstance(checked, (list, tuple)) and len(given) == len(checked):
        pairs = zip(range(len(given)), given, checked, strict=True)
    for key, value, taken in pairs:
        if (below := _truth_as_number(value, taken)) is not None:
            return f"{key}.{below}" if below else str(key)
    return None


def _describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of a pydantic error in one sentence."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(_sections_at(model, problem["loc"])[1])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        section, dot, key = where.rpartition(".")
        known = _fields_at(model, problem["loc"][:-1])
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {section}{dot}{near[0]}?" if near else f"there are {', '.join(known)}"
        return f"unknown key {where}; {hint}"
    if problem["type"] == "union_tag_invalid":
        given, known = problem["ctx"]["tag"], problem["ctx"]["expected_tags"].replace("'", "")
        return f"{where}.name: there is no {given!r}; there are {known}"
    if problem["type"] == "union_tag_not_found":
        return f"{where}.name is missing"
    if problem["type"] == "missing":
        return f"{where} is missing"
    if problem["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where}: {message}, got {_brief(problem['input'])}"


def _brief(value: Any) -> str:
    """A value as Python writes it, but for the inside of one that would fill the screen."""
    shown = repr(value)
    return shown if len(shown) <= LONGEST_VALUE else reprlib.repr(value)


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the section at ``path``."""
    return list(dict.fromkeys(name for section in _sections_at(model, path)[0] for name in section.model_fields))


def _sections_at(model: type[BaseModel], path: tuple[int | str, ...]) -> tuple[list[type[BaseModel]], list[str]]:
    """The sections that may stand at ``path``, and the path as the user wrote it.

    A union puts the name of the member that it tried into the path; the user wrote no such key.
    """
    sections, written = [model], []
    for part in path:
        named = [
            s for s in sections if "name" in s.model_fields and part in get_args(s.model_fields["name"].annotation)
        ]
        if len(sections) > 1 and named:
            sections = named
            continue
        written.append(str(part))
        if isinstance(part, str):  # a place in a list leads no further: the sections already are its members
            below = [s.model_fields[part].annotation for s in sections if part in s.model_fields]
            sections = [section for annotation in below for section in _models_in(annotation)]
    return sections, written


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
