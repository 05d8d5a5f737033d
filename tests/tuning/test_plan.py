"""What is searched: which methods and settings, which samples are held out, and what is refused before any training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from tailwise.errors import InputError
from tailwise.recipes.catalog import load_recipe
from tailwise.tuning.plan import METHODS
from tailwise.tuning.space import Choices, Range, read_space
from tuning_cases import RECIPE, quick_plan


def test_default_methods_are_losses_each_with_its_strength() -> None:
    plan, _ = quick_plan(None)
    assert list(plan.methods) == list(METHODS)
    assert [parameter.name for parameter in plan.methods["gppe"].parameters] == [
        "gppe.alpha",
        "gppe.beta",
        "gppe.margin",
    ]
    assert all(method.parameters for method in plan.methods.values())


def test_loss_for_cosines_gets_a_cosine_head_and_the_others_keep_theirs() -> None:
    plan, _ = quick_plan(("ce", "ldam"))
    assert plan.methods["ldam"].recipe.model.head == "cosine"
    assert plan.methods["ce"].recipe.model.head == "linear"


def test_method_of_the_recipe_keeps_what_makes_it_and_its_own_strength_is_within() -> None:
    template = load_recipe(RECIPE)
    gentle = {"gentle": {"loss": {"name": "gppe", "beta": 0.0}, "class_weights": {"name": "deferred", "start": 2}}}
    plan, _ = quick_plan(("gentle",), template=replace(template, methods={**template.methods, **gentle}))
    beta = next(parameter for parameter in plan.methods["gentle"].parameters if parameter.name == "gentle.beta")
    assert beta.domain == Range(0.0, 8.0)
    assert beta.default == 0.0
    recipe = plan.trial_recipe("gentle", {"gentle.beta": 3.0}, 0)
    assert recipe.loss.arguments == {"beta": 3.0}
    assert recipe.class_weights.name == "deferred"


def test_users_range_is_kept_and_the_default_brought_into_it() -> None:
    plan, _ = quick_plan(("gppe",), space=read_space("gppe.beta=1:3,gppe.margin=0.1"))
    by_name = {parameter.name: parameter for parameter in plan.methods["gppe"].parameters}
    assert (by_name["gppe.beta"].domain, by_name["gppe.beta"].default) == (Range(1, 3), 3.0)
    assert (by_name["gppe.margin"].domain, by_name["gppe.margin"].default) == (Choices((0.1,)), 0.1)


def test_trial_differs_from_the_recipe_in_what_varies_and_in_what_is_held_out() -> None:
    plan, _ = quick_plan(
        ("ce",), "training.evaluate_every=1", searched=("loss", "strength", "lr", "weight_decay", "sampling"), seed=5
    )
    own = {parameter.name: parameter.default for parameter in plan.methods["ce"].parameters}
    first, second = (plan.trial_recipe("ce", own, fold) for fold in (0, 1))
    assert (first.seed, first.data.validation_fold) == (5, 0)
    assert (second.seed, second.data.validation_fold) == (6, 1)
    assert first.training.evaluate_every == 0
    recipe = plan.methods["ce"].recipe
    expected = recipe.model_copy(update={"data": first.data, "training": first.training, "seed": 5})
    assert first == expected
    changed = plan.trial_recipe("ce", own | {"lr": 0.5, "weight_decay": 0.01, "sampling": "square-root"}, 0)
    assert (changed.optimizer.lr, changed.optimizer.weight_decay) == (0.001, 0.01)
    assert changed.sampling.name == "square-root"


def test_final_runs_have_the_held_out_samples_back() -> None:
    plan, _ = quick_plan(("ce",), "data.validation_fraction=0.3")
    assert plan.trial_recipe("ce", {}, 0).data.validation_fraction == 0.3
    assert plan.final_recipe("ce", {}).data.validation_fraction == 0


def test_final_runs_whose_second_stage_searches_keep_them() -> None:
    template = load_recipe(RECIPE)
    searching = {"searching": {"loss": {"name": "cross_entropy"}, "stage2": {"name": "tau-norm", "tau": "search"}}}
    template = replace(template, methods={**template.methods, **searching})
    plan, _ = quick_plan(("searching",), "data.validation_fraction=0.3", template=template)
    assert plan.final_recipe("searching", {}).data.validation_fraction == 0.3


def test_recipe_that_holds_nothing_out_holds_out_two_of_the_rarest_class() -> None:
    """Six samples of the rarest class: a fifth of them is one."""
    _, held_out = quick_plan(("ce",), "data.profile.max_count=120", "data.profile.imbalance_factor=20")
    assert held_out.fraction == 0.25
    assert min(held_out.counts) == 2
    assert held_out.caution is not None
    assert "Class '8' has 2 held-out samples: each of them moves its recall by 50 points" in held_out.caution


def test_folds_hold_out_more_samples_until_there_are_no_others() -> None:
    few = ("data.profile.max_count=120", "data.profile.imbalance_factor=20")
    assert [min(quick_plan(("ce",), *few, folds=folds)[1].counts) for folds in (3, 5, 9)] == [3, 5, 6]


def test_record_of_a_plan_goes_through_json_and_back() -> None:
    plan, _ = quick_plan(None)
    assert yaml.safe_load(yaml.safe_dump(plan.record())) is not None


SINGLE = "data.profile={name: counts, counts: [40, 40, 40, 40, 40, 40, 40, 40, 40, 1]}"
THREE = SINGLE.replace("1]", "3]")


@pytest.mark.parametrize(
    ("changes", "overrides", "message"),
    [
        ({"methods": ("ce", "gpe")}, (), "did you mean 'gppe'"),
        ({"searched": ("loss", "depth")}, (), "--search takes loss, strength, posthoc"),
        ({"searched": ("strength",)}, (), "--loss names 2 methods, but --search does not have loss"),
        ({"methods": ("ce",), "searched": ("loss",)}, (), "nothing to choose"),
        ({"posthoc": ("thresholds",)}, (), "--posthoc of a search takes logit-adjustment and rebalance"),
        ({"metric": "accuracy_many"}, (), "accuracy_many cannot be computed on these data, 10 classes of 10 to 40"),
        ({"metric": "recall/10"}, (), "--metric recall/10 cannot be computed"),
        ({"space": read_space("gppe.alpha=-1:0")}, (), "the strength of gppe is not searched; add it to --loss"),
        ({"space": read_space("lr=0.5:2")}, (), "which is not searched; add it to --search"),
        (
            {},
            (SINGLE,),
            "class '9' has 1 training .* holds out 0 in 1 fold; .* at least 2 of each class: leave the class",
        ),
        ({}, (THREE, "data.validation_fraction=0.2"), "class '9' has 3 training .* give --folds 2 or more"),
    ],
    ids=str,
)
def test_what_cannot_be_searched_is_refused(
    changes: dict[str, object], overrides: tuple[str, ...], message: str
) -> None:
    given = {"methods": ("ce", "focal"), **changes}
    with pytest.raises(InputError, match=message):
        quick_plan(given.pop("methods"), *overrides, **given)  # type: ignore[arg-type]
