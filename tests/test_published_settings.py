"""What the papers set, transcribed here once more, row by row, and compared with what the recipes train."""

from __future__ import annotations

from typing import Any

import pytest

from tailwise.counts import ClassCounts
from tailwise.recipes.catalog import catalog, load_recipe
from tailwise.recipes.config import Recipe

ADAM_BETAS = (0.5, 0.999)
WEAK = ["crop 4", "flip"]
STRONG = [*WEAK, "autoaugment cifar10", "cutout 16"]


def resolved(name: str, method: str) -> Recipe:
    return load_recipe(name).resolve(method)


def augmentation(recipe: Recipe) -> list[str]:
    return [" ".join(str(value) for value in step.model_dump().values()) for step in recipe.data.augmentation]


# recipe, network, learning rate, weight decay, epochs, majority classes, counts of the majority and of the others
GPPE = [
    *(
        (f"mnist-{pair}-50-{frequent}", "lenet", 1e-3, 0.0, 100, [0], (frequent, 50))
        for pair in ("3v5", "3v8")
        for frequent in (1000, 3000, 5000)
    ),
    ("mnist-3v5-50-1000-authors", "lenet", 1e-3, 0.0, 100, [0], None),
    ("cifar10-3v8-500-1000", "cnn", 1e-3, 0.0, 100, [0], (1000, 500)),
    ("cifar10-3v8-500-3000", "cnn", 1e-3, 0.0, 100, [0], (3000, 500)),
    ("cifar100-8v11-500-2500", "cnn", 1e-4, 0.0, 50, [0], (2500, 500)),
    *(
        (f"mnist-{rare}-rare-50-{frequent}", "lenet", 1e-3, 0.0, 100, majority, (frequent, 50))
        for rare, majority in (("former-5", [5, 6, 7, 8, 9]), ("even", [1, 3, 5, 7, 9]))
        for frequent in (3000, 5000)
    ),
    ("cifar10-one-majority-200-3000", "cnn", 1e-4, 0.0, 100, [9], (3000, 200)),
    ("cifar100-five-majority-100-500", "cnn", 2e-4, 0.0, 50, [0, 1, 2, 3, 4], (500, 100)),
    ("caltech101", "alexnet", 2e-4, 5e-4, 100, [0, 1, 2, 3, 5, 94], None),
    ("htru-medlat", "cnn", 0.02, 0.0, 100, [0], None),
]


@pytest.mark.parametrize(("name", "network", "lr", "decay", "epochs", "majority", "counts"), GPPE)
def test_gppe(
    name: str, network: str, lr: float, decay: float, epochs: int, majority: list[int], counts: tuple[int, int] | None
) -> None:
    recipe = resolved(f"gppe/{name}", "gppe")
    optimizer = recipe.optimizer
    assert (recipe.model.name, recipe.training.epochs, recipe.training.batch_size) == (network, epochs, 100)
    assert (optimizer.name, optimizer.lr, optimizer.weight_decay) == ("adam", lr, decay)
    assert optimizer.betas == ADAM_BETAS
    assert recipe.learning_rate.name == "constant"
    assert recipe.loss.arguments["majority_classes"] == majority
    two_classes = majority == [0] and name != "htru-medlat"
    assert recipe.loss.arguments["detach_weight"] == two_classes
    if name == "htru-medlat":
        assert (recipe.loss.arguments["alpha"], recipe.loss.arguments["beta"]) == (0, 0)
        source = recipe.data.source.model_dump()
        taken = ("train_pulsars", "train_rfi", "test_pulsars_from", "test_rfi_from", "image_size")
        assert [source[key] for key in taken] == [360, 27_000, 600, 45_000, 64]
    profile = recipe.data.profile
    if profile.name == "counts":
        assert profile.counts == counts
    elif profile.name == "step":
        assert (profile.majority_count, profile.minority_count) == counts
        assert list(profile.majority_classes) == majority
    else:
        assert (profile.name, counts) == ("natural", None)
    pairs = {"3v5": [5, 3], "3v8": [8, 3], "8v11": [11, 8]}
    pair = [classes for key, classes in pairs.items() if key in name and "authors" not in name]
    assert recipe.data.classes == (pair[0] if pair else None)


SGPL = {
    "svhn-step-5000-100": ("svhn", 200, [5000] * 5 + [100] * 5),
    "svhn-step-100-5000": ("svhn", 200, [100] * 3 + [5000] * 4 + [100] * 3),
    "svhn-multi-step": ("svhn", 200, [100] * 3 + [1000] * 2 + [3000] * 2 + [5000] * 3),
    "cifar10-step-100-5000": ("cifar10", 150, [100] * 3 + [5000] * 4 + [100] * 3),
    "cifar10-step-5000-200": ("cifar10", 150, [5000] * 4 + [200] * 6),
    "cifar10-multi-step": ("cifar10", 150, [200] * 3 + [1800] * 2 + [3400] * 2 + [5000] * 3),
    "caltech101-linear": ("caltech101", 150, None),
}
# SVHN has fewer of some digits than the paper asks for.
OF_SVHN = [4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659]


@pytest.mark.parametrize("test", ["consistent", "inconsistent"])
@pytest.mark.parametrize("name", SGPL)
def test_sgpl(name: str, test: str) -> None:
    source, epochs, counts = SGPL[name]
    recipe = resolved(f"sgpl/{name}-{test}", "sgpl")
    assert recipe.data.source.name == source
    assert recipe.data.test_profile == ("long-tailed" if test == "consistent" else "natural")
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.betas) == ("adam", 2e-4, ADAM_BETAS)
    assert (recipe.training.epochs, recipe.training.batch_size) == (epochs, 100)
    assert (recipe.learning_rate.name, recipe.learning_rate.start) == ("staircase", 80)
    assert recipe.loss.arguments == {}  # alpha -2, beta 6, m 0.05 and smoothing 0.1 are the loss's own
    if counts is None:
        assert recipe.data.profile.name == "linear"
        return
    available = ClassCounts(OF_SVHN if source == "svhn" else [5000] * 10)
    wanted = [min(asked, there) for asked, there in zip(counts, available, strict=True)]
    assert list(recipe.data.profile.class_counts(available)) == wanted


GALA = {
    10: ("62.5", "62.6 (tau 1.1)", "63.8", "64.2"),
    50: ("55.1", "55.2 (tau 0.9)", "56.0", "56.5"),
    100: ("50.9", "51.0 (tau 1.5)", "52.1", "52.3"),
    200: ("47.4", "47.5 (tau 1.5)", "48.0", "48.5"),
}


@pytest.mark.parametrize("factor", GALA)
def test_gala_on_cifar(factor: int) -> None:
    template = load_recipe(f"gala/cifar100-lt-if{factor}")
    assert template.rows == ["ce", "bagmar", "bagmar-for-pn", "ce+pn", "bagmar+pn"]
    for method, strengths in (("ce", None), ("bagmar", (1.0, 1.0)), ("bagmar-for-pn", (1.2, 0.9))):
        recipe = template.resolve(method)
        assert recipe.data.source.name == "cifar100"
        assert recipe.data.profile.model_dump() == {
            "name": "exponential",
            "max_count": 500,
            "imbalance_factor": factor,
            "cap": False,
        }
        assert augmentation(recipe) == STRONG
        assert (recipe.model.name, recipe.training.epochs, recipe.training.batch_size) == ("resnet32", 200, 64)
        optimizer = recipe.optimizer
        assert (optimizer.name, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.05, 0.9, 5e-4)
        assert recipe.learning_rate.name == "cosine"
        assert recipe.learning_rate.warmup_epochs > 0
        if strengths is not None:
            given = recipe.loss.arguments
            assert (given.get("lambda_pos", 1.0), given.get("lambda_neg", 1.0)) == strengths
    assert {row: (c.method, c.posthoc, c.tau) for row, c in template.corrections.items()} == {
        "ce+pn": ("ce", "rebalance", 1.0),
        "bagmar+pn": ("bagmar-for-pn", "rebalance", 1.0),
    }
    assert template.published is not None
    assert all(figure in template.published for figure in GALA[factor])


@pytest.mark.parametrize(
    ("name", "tau", "figures"),
    [("imagenet-lt", 1.7, "53.4 54.9"), ("inaturalist2018", 1.5, "71.2 73.3"), ("places-lt", 1.4, "41.0 41.4")],
)
def test_gala_on_large_data(name: str, tau: float, figures: str) -> None:
    template = load_recipe(f"gala/{name}")
    assert template.corrections["gala+pn"].tau == tau
    assert template.published is not None
    assert all(figure in template.published for figure in figures.split())


# recipe, scale, max_margin, gamma, power and alpha of PPmix, weight decay, batch size, augmentation
PPL = [
    *((f"cifar10-lt-if{factor}", 30, 0.1, 1.0, 3, 1.0, 2e-4, 128, WEAK) for factor in (10, 20, 50, 100, 200)),
    *((f"cifar100-lt-if{factor}", 10, 0.2, 1.5, 3, 1.0, 2e-4, 128, WEAK) for factor in (10, 20, 50, 100, 200)),
    ("imagenet-lt", 30, 0.1, 1.5, 5, 1.0, 2e-4, 256, ["flip"]),
    ("inaturalist2018", 30, 0.1, 1.5, 5, 0.2, 1e-4, 640, ["flip"]),
]


@pytest.mark.parametrize("row", PPL, ids=lambda row: row[0])
def test_ppl_with_cri(row: tuple[Any, ...]) -> None:
    name, scale, margin, gamma, power, alpha, decay, batch, steps = row
    recipe = resolved(f"ppl-cri/{name}", "cri+ppl")
    assert recipe.loss.arguments == {"scale": scale, "max_margin": margin, "gamma": gamma}
    assert recipe.model.head == "cosine"
    assert recipe.class_weights.model_dump() == {
        "name": "phased",
        "start": 100,
        "end": 160,
        "power": 5.0,
        "form": "power",
    }
    assert recipe.mixing.model_dump() == {
        "name": "phased",
        "start": 100,
        "end": 160,
        "power": power,
        "alpha": alpha,
        "count_ratio": 3.0,
    }
    optimizer, rate = recipe.optimizer, recipe.learning_rate
    assert (optimizer.name, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.1, 0.9, decay)
    assert (recipe.training.epochs, recipe.training.batch_size, rate.warmup_epochs) == (200, batch, 5)
    if name == "imagenet-lt":
        assert (recipe.model.name, rate.name) == ("resnet10", "cosine")
    else:
        assert (rate.name, rate.milestones, rate.gamma) == ("step", [160, 180], 0.1)
        assert recipe.model.name == ("timm/resnet50" if name == "inaturalist2018" else "resnet32")
    assert augmentation(recipe) == steps
    weights_alone = resolved(f"ppl-cri/{name}", "cri+ppw")
    assert weights_alone.mixing.name == "none"
    assert (weights_alone.class_weights, weights_alone.loss) == (recipe.class_weights, recipe.loss)
    if name.startswith("cifar"):
        data, _, factor = name.partition("-lt-if")
        assert recipe.data.source.name == data
        assert recipe.data.profile.model_dump()["imbalance_factor"] == int(factor)
        assert recipe.data.profile.model_dump()["max_count"] == (5000 if data == "cifar10" else 500)


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("gppe/mnist-3v5-50-1000", ".9802±.0018 .9984±.0004"),
        ("gppe/mnist-3v5-50-1000-authors", ".9802±.0018 .9984±.0004"),
        ("gppe/mnist-even-rare-50-3000", ".9590±.0012 .9989±.0001"),
        ("ppl-cri/cifar10-lt-if10", "90.56 9.5"),
        ("ppl-cri/cifar10-lt-if50", "85.83 8.6"),
        ("ppl-cri/cifar10-lt-if100", "82.85 5.8"),
    ],
)
def test_published_figures(name: str, figures: str) -> None:
    published = catalog()[name].published
    assert published is not None
    assert all(figure in published.replace(",", "").split() for figure in figures.split())


def test_every_recipe_of_a_paper_has_a_row_here() -> None:
    rows = {f"gppe/{row[0]}" for row in GPPE} | {f"ppl-cri/{row[0]}" for row in PPL}
    rows |= {f"sgpl/{name}-{test}" for name in SGPL for test in ("consistent", "inconsistent")}
    rows |= {f"gala/cifar100-lt-if{factor}" for factor in GALA}
    rows |= {f"gala/{name}" for name in ("imagenet-lt", "inaturalist2018", "places-lt")}
    assert rows == {name for name in catalog() if name.split("/")[0] in ("gppe", "sgpl", "gala", "ppl-cri")}
