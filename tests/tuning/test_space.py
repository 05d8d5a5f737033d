"""The search space: every name and bound of space.yaml is one that the loss takes, and what users may give instead."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tailwise.errors import InputError
from tailwise.losses import LOSSES, build_loss, find_loss
from tailwise.tuning.plan import METHODS
from tailwise.tuning.space import Choices, Range, default_space, read_space

COUNTS = [50, 20, 5]
EVERY = [(loss, argument) for loss, arguments in default_space().losses.items() for argument in arguments]


def test_every_loss_has_its_entry_and_the_default_methods_have_a_strength() -> None:
    assert set(default_space().losses) == set(LOSSES)
    assert all(default_space().losses[find_loss(name).name] for name in METHODS)


@pytest.mark.parametrize(("loss", "argument"), EVERY, ids=[".".join(each) for each in EVERY])
def test_argument_is_the_losss_own_and_the_default_and_both_bounds_are_accepted(loss: str, argument: str) -> None:
    domain = default_space().losses[loss][argument]
    assert isinstance(domain, Range)
    fixed = {"epochs": 3} if loss == "cyclical_focal" else {}
    default = getattr(build_loss(loss, COUNTS, **fixed), argument)
    assert domain.low <= float(default) <= domain.high
    for bound in (domain.low, domain.high):
        assert float(getattr(build_loss(loss, COUNTS, **fixed, **{argument: bound}), argument)) == pytest.approx(bound)


@pytest.mark.parametrize("loss", default_space().losses)
def test_every_corner_of_the_space_is_accepted(loss: str) -> None:
    domains = default_space().losses[loss]
    fixed = {"epochs": 3} if loss == "cyclical_focal" else {}
    for corner in itertools.product(*((domain.low, domain.high) for domain in domains.values())):  # type: ignore[union-attr]
        build_loss(loss, COUNTS, **fixed, **dict(zip(domains, corner, strict=True)))


def test_domains_on_the_command_line_are_ranges_lists_and_single_values() -> None:
    space = read_space(
        "gppe.alpha=-4:0,ldam.scale=1e-1:50:log,sgpl.variant=published|released,gppe.margin=0.1,lr=0.5:2"
    )
    assert space.losses["gppe"] == {"alpha": Range(-4, 0), "margin": Choices((0.1,))}
    assert space.losses["ldam"] == {"scale": Range(0.1, 50, log=True)}
    assert space.losses["sgpl"] == {"variant": Choices(("published", "released"))}
    assert space.recipe == {"lr": Range(0.5, 2)}
    assert space.given == {"gppe.alpha", "gppe.margin", "ldam.scale", "sgpl.variant", "lr"}


def test_file_and_command_line_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("losses:\n  bs: {tau: [0.5, 2]}\nrecipe:\n  sampling: {choices: [own, instance]}\n")
    assert read_space(str(file)) == read_space("balanced_softmax.tau=0.5:2,sampling=own|instance")


def test_given_domains_replace_those_of_the_package_and_leave_the_others() -> None:
    space = default_space().overridden(read_space("gppe.alpha=-1:0"))
    assert space.losses["gppe"]["alpha"] == Range(-1, 0)
    assert space.losses["gppe"]["beta"] == default_space().losses["gppe"]["beta"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gppe.alfa=0:1", "has no argument 'alfa'; did you mean alpha"),
        ("gpe.alpha=0:1", "did you mean 'gppe'"),
        ("gppe.alpha=1:0", "the lower one first"),
        ("ldam.scale=0:1:log", "above 0 on a log scale"),
        ("gppe.alpha=0:1:2", "a range is two numbers"),
        ("gppe.alpha=nan:1", "a range is two numbers"),
        ("gppe.alpha", "for example --space gppe.alpha=-4:0"),
        ("momentum=0:1", "there are lr, weight_decay, sampling"),
        ("nothing.yaml", "cannot be read"),
    ],
)
def test_what_is_no_domain_is_refused_in_one_line(given: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_space(given)


def test_suggestions_are_rounded_and_stay_within() -> None:
    assert Range(0, 10).rounded(1.23456789) == 1.235
    assert Range(0.12344, 1).rounded(0.12344) == 0.12344
