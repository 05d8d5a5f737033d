"""The registry finds, describes and builds losses."""

from __future__ import annotations

import pytest

from tailwise.losses import LOSSES, BalancedSoftmaxLoss, CrossEntropyLoss, build_loss, find_loss


def test_aliases_find_the_same_loss() -> None:
    assert find_loss("ce") is find_loss("cross_entropy")
    assert isinstance(build_loss("bs", [2, 1]), BalancedSoftmaxLoss)


def test_loss_that_is_told_the_number_of_classes_is_not_given_counts() -> None:
    loss = build_loss("seesaw", [5, 2], num_classes=2)
    assert loss.class_counts is None
    assert build_loss("seesaw", [5, 2]).class_counts is not None


def test_counts_are_handed_only_to_losses_that_take_them() -> None:
    assert isinstance(build_loss("ce", [2, 1]), CrossEntropyLoss)
    assert LOSSES["focal"].counts == "-"
    assert LOSSES["gppe"].counts == "optional"
    assert LOSSES["balanced_softmax"].counts == "needed"


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("ce", "-"),
        ("gppe", "class counts (optional)"),
        ("gala", "class counts or their number"),
        ("ldam", "class counts, cosines"),
        ("cyclical_focal", "the epoch"),
        ("influence_balanced", "features, the epoch"),
        ("lade", "class counts, a whole batch"),
        ("equalized_focal", "class counts or their number, one or several labels"),
    ],
)
def test_inputs_are_told_in_words(name: str, inputs: str) -> None:
    assert find_loss(name).inputs == inputs


@pytest.mark.parametrize(("name", "hint"), [("focall", "did you mean 'focal'"), ("zzz", "there are asl")])
def test_unknown_name_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"no loss is named '{name}': {hint}"):
        find_loss(name)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_docstring_gives_formula_arguments_errors_and_source(name: str) -> None:
    doc = LOSSES[name].cls.__doc__ or ""
    assert "L = " in doc
    assert "Args:" in doc
    assert name == "cross_entropy" or "Source:" in doc
    own = [key for key in LOSSES[name].arguments if key not in ("weight", "ignore_index", "reduction")]
    assert all(f"{key}:" in doc for key in own if key != "label_smoothing" or name in ("asl", "sgpl"))
