"""The catalogue, a user's own file, and what a recipe may not say."""

from __future__ import annotations

import json
import re
import shutil
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from recipe_trees import QUICK
from small_data import LISTED_CLASSES, LISTS, SMALL_HTRU_SPLIT
from tailwise.data.arrays import Arrays
from tailwise.data.loader import Chosen, PreparedData, prepare
from tailwise.data.profiles import linear_counts
from tailwise.data.sources import SOURCES, SourceModel, Split
from tailwise.errors import InputError
from tailwise.recipes.catalog import Family, catalog, expand, load_recipe
from tailwise.recipes.config import Recipe
from tailwise.recipes.optimizer_config import AdamConfig, SGDConfig
from tailwise.recipes.overrides import merge
from tailwise.recipes.sampling_config import EqualizedSampling, RebalancedSampling
from tailwise.recipes.stage2_config import SecondTraining
from tailwise.training.engine import RunOptions, train

OWN = """
name: mine
about: my table
settings:
  data: {source: {name: digits}}
  model: {name: mlp}
  training: {epochs: 1}
methods:
  ce: {}
  sharp: {loss: {name: focal, gamma: 5}}
"""


def own_recipe(folder: Path, text: str = OWN) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", sorted(catalog()))
def test_every_method_of_every_recipe_resolves_and_survives_its_own_config_file(name: str) -> None:
    template = load_recipe(name)
    assert template.name == name
    for method in template.methods:
        recipe = template.resolve(method)
        assert Recipe.model_validate(yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))) == recipe


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a data set for the first recipe that asks for it alone."""
    for source in SOURCES.values():
        monkeypatch.setattr(source, "load", partialmethod(load_once, source.load))


LOADED: dict[tuple[Any, ...], Any] = {}


def load_once(source: SourceModel, load: Any, root: Path | None, split: Split) -> Any:
    key = (source.model_dump_json(), root, split)
    if key not in LOADED:
        LOADED[key] = load(source, root, split)
    return LOADED[key]


def source_of(name: str) -> str:
    source = catalog()[name].settings["data"]["source"]["name"]
    assert isinstance(source, str)
    return source


ABSENT = ("svhn", "cifar100", "htru-medlat", *LISTS)
"""Sources of which there are only small files of the true format here: see ``small_data``."""


@pytest.mark.usefixtures("read_once")
@pytest.mark.parametrize("name", [name for name in sorted(catalog()) if source_of(name) not in ABSENT])
def test_every_recipe_takes_what_its_name_says_from_its_real_data(name: str, data_root: Path) -> None:
    data = prepare(load_recipe(name).resolve().data, data_root)
    counts = list(data.train.arrays.counts)
    assert counts == expected_counts(name, counts)
    assert len(data.test.arrays.targets) == expected_test_size(name)


def distinct_methods() -> dict[str, list[str]]:
    """Methods by recipe, of those that differ in their data alone the first: these are looked at for each recipe."""
    found: dict[str, list[str]] = {}
    seen = set()
    for name, template in sorted(catalog().items()):
        for method in template.methods:
            settings = template.resolve(method).model_dump(mode="json", exclude={"recipe", "method", "data"})
            if (key := json.dumps(settings, sort_keys=True)) not in seen:
                seen.add(key)
                found.setdefault(name, []).append(method)
    return found


DISTINCT = distinct_methods()


LARGE = {
    "gppe/caltech101",
    "gppe/cifar100-five-majority-100-500",
    "gppe/htru-medlat",
    "ppl-cri/cifar100-lt-if10",
    "sgpl/caltech101-linear-consistent",
    "sgpl/cifar10-multi-step-consistent",
    "sgpl/svhn-multi-step-consistent",
    "standard/cifar10-lt-if10-strong",
}
"""Their networks take the longest, or their methods are many."""


@pytest.mark.usefixtures("read_once", "timm_importable")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LARGE)) for name in DISTINCT])
def test_every_method_of_every_recipe_takes_two_steps(
    name: str, data_root: Path, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailwise.training.engine.prepare", lambda *arguments: few(prepare(*arguments)))
    # A checkpoint of the larger networks has gigabytes; what it holds is tested with the engine.
    monkeypatch.setattr("tailwise.training.run.save_checkpoint", lambda *parts: None)
    template = load_recipe(name)
    overrides: list[str] = []
    if source_of(name) in ABSENT:
        data_root = small_data
        overrides = SMALL_SETTINGS.get(source_of(name), ["data.profile.cap=true"])
    for method in DISTINCT[name]:
        recipe = template.resolve(method, overrides=overrides)
        samples = len(few(prepare(recipe.data, data_root)).train.indices)
        training = recipe.training.model_copy(update={"epochs": 2, "batch_size": samples})
        rate = recipe.learning_rate.model_copy(update={"warmup_epochs": 0})
        stage2 = recipe.stage2
        if isinstance(stage2, SecondTraining):
            stage2 = stage2.model_copy(update={"epochs": 1})
        recipe = recipe.model_copy(update={"training": training, "learning_rate": rate, "stage2": stage2})
        summary = train(recipe, tmp_path / method, RunOptions(data_root, device="cpu"))
        assert (summary["recipe"], summary["loss"]) == (name, method)
        assert 0 <= summary["metrics"]["test/accuracy"] <= 1
        shutil.rmtree(tmp_path / method)


SMALL_LIST = [
    f"data.classes={list(range(LISTED_CLASSES))}",
    "data.source.image_size=32",
    "data.source.resize=36",
    "model.pretrained=false",
]
SMALL_SETTINGS = {
    "htru-medlat": [f"data.source.{key}={value}" for key, value in SMALL_HTRU_SPLIT.items()],
    **dict.fromkeys(LISTS, SMALL_LIST),
}


def few(data: PreparedData) -> PreparedData:
    """For training the first of each class, at least sixteen in all; as many as that for testing."""
    each = -(-16 // data.train.arrays.num_classes)
    targets = data.train.arrays.targets
    rows = np.sort(np.concatenate([np.flatnonzero(targets == c)[:each] for c in np.unique(targets)]))
    return PreparedData(rows_of(data.train, rows), rows_of(data.test, np.arange(len(data.test.indices))[:16]))


def rows_of(chosen: Chosen, rows: NDArray[np.int64]) -> Chosen:
    return Chosen(chosen.arrays.subset(rows), chosen.indices[rows])


def expected_test_size(name: str) -> int:
    """The standard test images of the classes; of a table, 30% of each class; of Caltech-101, a fifth."""
    consistent = {"step-100-5000": 4 * 1000 + 6 * 20, "step-5000-200": 4 * 1000 + 6 * 40, "multi-step": 5200}
    for profile, size in consistent.items():
        if name == f"sgpl/cifar10-{profile}-consistent":
            return size
    sizes = {
        "gppe/mnist-3v5": 1010 + 892,
        "gppe/mnist-3v8": 1010 + 974,
        "gppe/cifar10-3v8": 2000,
        "gppe/caltech101": 1736,
        "sgpl/caltech101-linear-consistent": 452,
        "sgpl/caltech101-linear-inconsistent": 1736,
        "digits/long-tailed": 539,
        "htru2/mlp": 5370,
    }
    return next((size for start, size in sizes.items() if name.startswith(start)), 10_000)


def expected_counts(name: str, given: list[int]) -> list[int]:
    """What the recipe's name says its training set holds."""
    if "rare" in name:
        rare = range(0, 10, 2) if "even" in name else range(5)
        return [int(name.split("-")[-2 if c in rare else -1]) for c in range(10)]
    if "-lt-if" in name and source_of(name) in ("mnist", "cifar10"):
        factor = re.search(r"-if(\d+)", name)
        assert factor is not None
        assert [given[0], given[0] // given[-1]] == [5000, int(factor[1])]
        return sorted(given, reverse=True)
    if "mnist" in name:
        rare_count, frequent_count = name.split("-")[2:4]
        return [int(frequent_count), int(rare_count)]
    if name.startswith("gppe/cifar10-3v8"):
        rare_count, frequent_count = name.split("-")[-2:]
        return [int(frequent_count), int(rare_count)]
    if name == "gppe/cifar10-one-majority-200-3000":
        return [200] * 9 + [3000]
    if name == "gppe/caltech101":
        assert sorted(range(101), key=lambda c: -given[c])[:6] == [5, 3, 0, 1, 94, 2]
        return given
    if "cifar10-step" in name:
        frequent, rare = (5000, 200) if "5000-200" in name else (5000, 100)
        classes = range(4) if "5000-200" in name else range(3, 7)
        return [frequent if c in classes else rare for c in range(10)]
    if "cifar10-multi-step" in name:
        return [200] * 3 + [1800] * 2 + [3400] * 2 + [5000] * 3
    if "caltech101-linear" in name:
        asked = linear_counts(101, 30, 10)
        # Three classes have fewer images than they were asked for.
        lacking = [6, 7, 11]
        assert [c for c in range(101) if given[c] < asked[c]] == lacking
        return [given[c] if c in lacking else asked[c] for c in range(101)]
    if "digits" in name:
        assert max(given) // int(name.rpartition("-if")[2]) == min(given)
        return sorted(given, reverse=True)
    return given


def test_matrix_names_every_combination() -> None:
    pairs = [name for name in catalog() if name.startswith("gppe/mnist-3v") and not name.endswith("authors")]
    assert sorted(pairs) == [f"gppe/mnist-{p}-50-{n}" for p in ("3v5", "3v8") for n in (1000, 3000, 5000)]
    assert load_recipe("gppe/mnist-3v8-50-3000").resolve().data.classes == [8, 3]


CHOICES = """
name: own-{size}-{test}
about: "{size}, tested {test}"
matrix:
  size:
    small: {about: a small net, model: {widths: [8]}, methods: {sharp: {loss: {name: focal, gamma: 5}}}}
    large: {model: {widths: [64]}, corrections: {ce+pn: {method: ce, posthoc: rebalance, tau: 2}}}
  test:
    plain: {}
settings:
  data: {source: {name: digits}}
  model: {name: mlp}
  training: {epochs: 1}
methods:
  ce: {}
"""


def test_choice_of_a_matrix_brings_settings_a_description_methods_and_corrections() -> None:
    small, large = expand(Family.model_validate(yaml.safe_load(CHOICES)))
    assert (small.name, small.about) == ("own-small-plain", "a small net, tested plain")
    assert (large.name, large.about) == ("own-large-plain", "large, tested plain")
    assert (small.rows, large.rows) == (["ce", "sharp"], ["ce", "ce+pn"])
    assert small.resolve("sharp").loss.arguments == {"gamma": 5.0}
    assert (small.resolve().model.widths, large.resolve().model.widths) == ([8], [64])
    assert large.corrections["ce+pn"].tau == 2


@pytest.mark.parametrize(
    ("given", "arguments", "words"),
    [
        ("rebalance", {"tau": 1.0}, "--posthoc rebalance --tau 1"),
        ("logit-adjustment, tau: 2", {"tau": 2.0}, "--posthoc logit-adjustment --tau 2"),
        ("temperature", {}, "--posthoc temperature"),
        ("thresholds, metric: mcc", {"metric": "mcc"}, "--posthoc thresholds --metric mcc"),
        ("prior-shift", {}, "--posthoc prior-shift"),
        ("prior-shift, test_prior: uniform", {"test_prior": "uniform"}, "--posthoc prior-shift --test-prior uniform"),
        ("prior-shift, test_prior: [2, 1]", {"test_prior": [2, 1]}, "--posthoc prior-shift --test-prior 2.0,1.0"),
        ("cost-sensitive, costs: [1, 9]", {"costs": [1, 9]}, "--posthoc cost-sensitive --costs FILE"),
        (
            "cost-sensitive, costs: [[0, 1], [9, 0]]",
            {"costs": [[0, 1], [9, 0]]},
            "--posthoc cost-sensitive --costs FILE",
        ),
    ],
)
def test_correction_has_the_arguments_it_takes_and_says_how_evaluate_gives_them(
    tmp_path: Path, given: str, arguments: dict[str, object], words: str
) -> None:
    template = load_recipe(own_recipe(tmp_path, OWN + f"corrections: {{c: {{method: ce, posthoc: {given}}}}}\n"))
    assert template.corrections["c"].arguments == arguments
    with pytest.raises(InputError, match=f"train ce, then `tailwise evaluate RUN {words}`"):
        template.resolve("c")


def test_method_takes_its_own_loss_or_the_one_it_is_named_after(tmp_path: Path) -> None:
    template = load_recipe(own_recipe(tmp_path))
    assert template.resolve().loss.name == "cross_entropy"
    assert template.resolve("sharp").loss.name == "focal"
    assert template.resolve("sharp").loss.arguments == {"gamma": 5.0}
    assert template.resolve("sgpl").loss.name == "sgpl"


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/../../b", "", ".", "a//b", "a b"])
def test_name_that_could_lead_out_of_the_runs_is_refused(tmp_path: Path, name: str) -> None:
    path = own_recipe(tmp_path, OWN.replace("name: mine", f"name: {name!r}"))
    with pytest.raises(InputError, match=r"recipe: a name is made of letters, digits"):
        load_recipe(path).resolve()
    path = own_recipe(tmp_path, OWN.replace("sharp:", f"{name!r}:").replace("ce: {}", "ce:"))
    with pytest.raises(InputError, match=r"method: a name is made of letters, digits"):
        load_recipe(path).resolve(name, overrides=[])


def test_method_without_settings_may_be_left_empty(tmp_path: Path) -> None:
    template = load_recipe(own_recipe(tmp_path, OWN.replace("ce: {}", "ce:")))
    assert template.resolve("ce").loss.name == "cross_entropy"


def test_setting_another_name_brings_its_own_fields() -> None:
    recipe = load_recipe("gppe/mnist-3v5-50-1000").resolve("ce", 0, ["optimizer.name=sgd", "optimizer.lr=0.5"])
    assert recipe.optimizer == SGDConfig(lr=0.5)


@pytest.mark.parametrize("turn", [1, -1])
def test_name_and_what_is_set_beside_it_may_come_in_any_order(turn: int) -> None:
    settings = ["optimizer.name=sgd", "training.epochs=9", "optimizer.lr=0.3"]
    recipe = load_recipe("digits/long-tailed-if20").resolve("ce", 0, settings[::turn])
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.training.epochs) == ("sgd", 0.3, 9)


def test_last_of_two_settings_of_the_same_counts() -> None:
    resolve = load_recipe("digits/long-tailed-if20").resolve
    assert resolve("ce", 0, ["optimizer.name=sgd", "optimizer.lr=0.3", "optimizer.name=adamw"]).optimizer.lr == 0.3
    assert resolve("ce", 0, ["optimizer.name=sgd", "optimizer.name=adamw"]).optimizer.name == "adamw"
    whole = resolve("ce", 0, ["optimizer.betas=[0.5, 0.9]", "optimizer={name: sgd}", "optimizer.lr=0.3"])
    assert (whole.optimizer.name, whole.optimizer.lr) == ("sgd", 0.3)
    again = resolve("ce", 0, ["optimizer.lr=0.3", "optimizer={name: sgd}", "optimizer.name=adamw"])
    assert (again.optimizer.name, again.optimizer.lr) == ("adamw", AdamConfig(name="adamw").lr)


def test_loss_that_would_begin_after_the_training_is_refused() -> None:
    recipe = load_recipe("digits/long-tailed-if20")
    with pytest.raises(InputError, match=r"loss\.start is 3, past the training of 3 epochs"):
        recipe.resolve("ib", overrides=["training.epochs=3", "loss.start=3"])


def test_setting_wins_over_method_and_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(own_recipe(tmp_path)).resolve("sharp", 7, ["loss.gamma=1e-1", "training.epochs=9"])
    assert recipe.loss.arguments == {"gamma": 0.1}
    assert recipe.training.epochs == 9
    assert recipe.seed == 7


def test_merging_replaces_a_mapping_that_names_something_else() -> None:
    base = {"profile": {"name": "exponential", "imbalance_factor": 10}, "model": {"name": "mlp", "widths": [5]}}
    over = {"profile": {"name": "natural"}, "model": {"widths": [7]}}
    assert merge(base, over) == {"profile": {"name": "natural"}, "model": {"name": "mlp", "widths": [7]}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digits/long-tailed-if21", "did you mean digits/long-tailed-if20"),
        ("no/such-recipe", "`tailwise recipes` lists them"),
        ("nothing.yaml", r"there is no recipe file nothing\.yaml"),
    ],
)
def test_unknown_recipe_is_named_with_a_hint(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", r"mine\.yaml is not valid YAML: .* in line 1"),
        ("- a", "must be a YAML mapping"),
        (OWN + "name: again\n", "key 'name' stands twice in line 1[0-9]"),
        (OWN.replace("about: my table\n", ""), "about is missing"),
        (OWN.replace("settings", "setings"), "settings is missing"),
        (OWN + "speed: 3\n", "unknown key speed"),
        (OWN.replace("name: mine", 'name: "a{b"'), r"may hold \{axis\} of the matrix alone"),
        (OWN.replace("my table", '"{x}"'), r"may hold \{axis\} of the matrix alone"),
        (OWN + "matrix: {size: {}}\n", "matrix.size: .*at least 1 item"),
        (OWN + "published: {owm: F1 99.9}\n", "published names 'owm', which is no recipe of the file; there are mine"),
        (OWN + "corrections: {pn: {method: gala, posthoc: rebalance}}\n", "'pn' corrects 'gala', which is no method"),
        (OWN + "corrections: {c: {method: ce, posthoc: calibrate}}\n", "there is no 'calibrate'; there are"),
        (
            OWN + "corrections: {c: {method: ce, posthoc: temperature, tau: 2}}\n",
            "no argument 'tau'; it takes none",
        ),
        (OWN + "corrections: {c: {method: ce, posthoc: rebalance, metric: f1}}\n", "has no argument 'metric'"),
        (OWN + "corrections: {c: {method: ce, posthoc: cost-sensitive}}\n", "needs its argument 'costs'"),
        (OWN + "corrections: {c: {method: ce, posthoc: thresholds, metric: acc}}\n", "metric must be"),
        (OWN + "corrections: {c: {method: ce, posthoc: prior-shift, test_prior: [0, 0]}}\n", "not all of them 0"),
        (OWN + "? [a, b]\n: 1\n", "a key must be a word"),
        (OWN.replace("name: mine", "name: !!python/object/apply:os.system [id]"), "is not valid YAML"),
    ],
)
def test_file_that_is_no_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe(own_recipe(tmp_path, text))


def test_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(OWN.replace("my table", "Größe").encode("latin-1"))
    with pytest.raises(InputError, match=r"cannot read recipe file .*UTF-8"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainig.epochs=3", "unknown key trainig; did you mean training?"),
        ("training.epoch=3", "unknown key training.epoch; did you mean training.epochs?"),
        ("training.epochs=many", r"training\.epochs: Input should be a valid integer.*got 'many'"),
        ("training.epochs=0", r"training\.epochs: Input should be greater than 0, got 0"),
        ("optimizer.lr=.nan", r"optimizer\.lr: .*got nan"),
        ("optimizer.name=lion", "optimizer.name: there is no 'lion'; there are adam, adamw, sgd"),
        (
            "data.profile.imbalance_factor=0.5",
            r"data\.profile\.imbalance_factor: .*greater than or equal to 1, got 0.5",
        ),
        (
            "data.profile={name: quadratic}",
            "data.profile.name: there is no 'quadratic'; there are natural, exponential",
        ),
        ("loss.gamma=2", "loss: cross_entropy has no setting 'gamma'; it has weight, label_smoothing"),
        ("loss.label_smoothing=a lot", "loss: label_smoothing: Input should be a valid number.*got 'a lot'"),
        ("loss.name=focal", "loss.name is chosen with --loss"),
        ("recipe=../evil", "recipe is chosen with the recipe's own name"),
        ("seed=3", "seed is chosen with --seed or --seeds"),
        ("loss.weight=5", "loss: weight: give one number per class, got 5"),
        ("training.epochs=true", r"training\.epochs: Input should be a valid integer, got True"),
        ('training.epochs="3"', r"training\.epochs: Input should be a valid integer, got '3'"),
        ("optimizer.lr=.inf", r"optimizer\.lr: .*finite.*got inf"),
        ("optimizer.momentum=0.5", "unknown key optimizer.momentum; there are name, lr, betas, weight_decay"),
        ("data.source={name: digits, path: x}", "unknown key data.source.path; there are name"),
        ("data.augmentation=[{name: flop}]", "data.augmentation.0.name: there is no 'flop'; there are crop, flip,"),
        ("data.augmentation=[{name: crop, paddin: 4}]", "did you mean data.augmentation.0.padding?"),
        ("data.source.name=mnistt", "data.source.name: there is no 'mnistt'; there are digits, mnist,"),
        ("data.source={path: x}", "data.source.name is missing"),
        ("learning_rate.warmup_epochs=3", "learning_rate.warmup_epochs is 3, past the training of 3 epochs"),
        (
            "learning_rate={name: step, warmup_epochs: 4, milestones: [5]}",
            "learning_rate.warmup_epochs is 4, learning_rate.milestones is 5, past the training of 3 epochs",
        ),
        ("learning_rate={name: step, milestones: [2, 5]}", "learning_rate.milestones is 5, past the training"),
        ("learning_rate={name: staircase, start: 80}", "learning_rate.start is 80, past the training"),
        ("class_weights={name: deferred, start: 160}", "class_weights.start is 160, past the training of 3 epochs"),
        ("sampling={name: phased, start: 3, end: 5}", "sampling.start is 3, past the training"),
        ("mixing={name: phased, start: 3, end: 5}", "mixing.start is 3, past the training"),
        ("learning_rate.name=step", "learning_rate: a step schedule needs milestones"),
        ("learning_rate.milestones=[3]", "learning_rate: milestones belong to the step schedule"),
        ("learning_rate.name=staircase", "learning_rate: start, e.g. 80, belongs to the staircase schedule"),
        (
            "sampling.name=balanced",
            "sampling.name: there is no 'balanced'; there are instance, class-balanced, square-r",
        ),
        ("sampling={name: phased, begin: 3}", "sampling.start is missing"),
        ("sampling={name: oversample, power: 2}", "unknown key sampling.power"),
        (
            "mixing.name=cutmixup",
            "mixing.name: there is no 'cutmixup'; there are none, mixup, phased, remix, cutmix, bal",
        ),
        (
            "sampling={name: class-balanced-batches, classes_per_batch: 4, samples_per_class: 8}",
            "sampling draws batches of 4 classes x 8 samples, but training.batch_size is 64; set it to 32",
        ),
        ("sampling={name: repeat-factor, threshold: 2}", "sampling.threshold: Input should be less than or equal to 1"),
        ("mixing={name: remix, kappa: 0.5}", "mixing.kappa: Input should be greater than or equal to 1, got 0.5"),
        ("mixing={name: cmo, start: 1}", "mixing.start 1 and mixing.plain_epochs 3 leave nothing of the 3 epochs"),
        ("mixing={name: cmo}", "mixing.start is 4, past the training"),
        ("mixing={name: mixup, alpha: 0}", "mixing.alpha: Input should be greater than 0, got 0"),
        ("training", "--set takes key=value, got 'training'"),
        ("training.epochs.more=3", "--set training.epochs.more: epochs is a value, 3, and has nothing below it"),
        ("training.epochs=[", "the value of --set .* is not valid YAML"),
    ],
)
def test_wrong_setting_is_named_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        load_recipe("digits/long-tailed-if20").resolve("ce", 0, [*QUICK, setting])
    assert "\n" not in str(raised.value)


def test_config_of_a_run_holds_the_resolved_recipe(tmp_path: Path) -> None:
    recipe = load_recipe("digits/long-tailed-if20").resolve("sgpl", 4, ["training.epochs=1"])
    train(recipe, tmp_path, RunOptions(device="cpu"))
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert written["method"] == "sgpl"
    assert written["seed"] == 4
    profile = {"name": "exponential", "max_count": 120, "imbalance_factor": 20.0, "cap": False}
    assert written["data"]["profile"] == profile


@pytest.mark.parametrize("name", ["class-balanced", "oversample", "undersample"])
def test_sampling_refuses_a_class_without_samples_before_training(name: str) -> None:
    arrays = Arrays(np.zeros((2, 1), dtype=np.float32), np.array([0, 2]), ("a", "b", "c"))
    section = RebalancedSampling if name == "class-balanced" else EqualizedSampling
    with pytest.raises(ValueError, match="class 1 has no samples, so none can be drawn; leave the class out"):
        section.model_validate({"name": name}).draw(arrays, 0, 3)
