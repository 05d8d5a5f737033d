"""Profiles as recipes write them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tailwise.counts import ClassCounts
from tailwise.data.profile_config import Profile
from tailwise.errors import InputError

profile: TypeAdapter[Profile] = TypeAdapter(Profile)
AVAILABLE = ClassCounts([90, 100, 80])

WRITTEN = [
    ({"name": "natural"}, [90, 100, 80]),
    ({"name": "exponential", "imbalance_factor": 81}, [90, 10, 1]),
    ({"name": "exponential", "imbalance_factor": 1}, [80, 80, 80]),
    ({"name": "exponential", "imbalance_factor": 100, "cap": True}, [90, 10, 1]),
    ({"name": "exponential", "max_count": 40, "imbalance_factor": 4}, [40, 20, 10]),
    ({"name": "linear", "imbalance_factor": 10}, [90, 49, 9]),
    ({"name": "linear", "max_count": 40, "imbalance_factor": 4}, [40, 25, 10]),
    ({"name": "exponential", "max_count": 360, "imbalance_factor": 4, "cap": True}, [90, 100, 80]),
    ({"name": "linear", "max_count": 95, "imbalance_factor": 19, "cap": True}, [90, 50, 5]),
    ({"name": "step", "majority_count": 50, "minority_count": 5, "majority_classes": [1]}, [5, 50, 5]),
    ({"name": "multi-step", "steps": [{"count": 7, "classes": [2, 0]}, {"count": 70, "classes": [1]}]}, [7, 70, 7]),
    ({"name": "counts", "counts": [3, 2, 1]}, [3, 2, 1]),
    (
        {"name": "step", "majority_count": 99, "minority_count": 85, "majority_classes": [0], "cap": True},
        [90, 85, 80],
    ),
    (
        {"name": "multi-step", "steps": [{"count": 7, "classes": [2, 0]}, {"count": 700, "classes": [1]}], "cap": True},
        [7, 100, 7],
    ),
    ({"name": "counts", "counts": [300, 2, 1], "cap": True}, [90, 2, 1]),
]


@pytest.mark.parametrize(("written", "expected"), WRITTEN)
def test_each_profile_gives_its_counts(written: dict[str, Any], expected: list[int]) -> None:
    assert list(profile.validate_python(written).class_counts(AVAILABLE)) == expected


@pytest.mark.parametrize(("written", "expected"), WRITTEN)
def test_each_profile_can_be_written_and_read_again(written: dict[str, Any], expected: list[int]) -> None:
    parsed = profile.validate_python(written)
    assert profile.validate_python(profile.dump_python(parsed, mode="json")) == parsed


@pytest.mark.parametrize(
    ("written", "field", "message"),
    [
        ({"name": "zipf"}, (), "'natural', 'exponential', 'linear', 'step', 'multi-step', 'counts'"),
        ({"name": "natural", "max_count": 5}, ("max_count",), "not permitted"),
        ({"name": "exponential"}, ("imbalance_factor",), "required"),
        ({"name": "exponential", "imbalance_factor": 0.5}, ("imbalance_factor",), "greater than or equal to 1"),
        ({"name": "linear", "imbalance_factor": float("inf")}, ("imbalance_factor",), "finite"),
        ({"name": "linear", "imbalance_factor": 2, "max_count": 0}, ("max_count",), "greater than or equal to 1"),
        ({"name": "multi-step", "steps": [{"count": 0, "classes": [0]}]}, ("steps", 0, "count"), "equal to 1"),
        ({"name": "multi-step", "steps": [{"count": 1, "class": [0]}]}, ("steps", 0, "classes"), "required"),
        ({"name": "counts", "counts": [3, 0]}, ("counts", 1), "greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(written: dict[str, Any], field: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        profile.validate_python(written)
    error = refused.value.errors()[0]
    assert error["loc"][1:] == field
    assert message in error["msg"]


def test_a_profile_without_a_cap_asks_for_what_it_says() -> None:
    written = {"name": "exponential", "max_count": 360, "imbalance_factor": 4}
    assert list(profile.validate_python(written).class_counts(AVAILABLE)) == [360, 180, 90]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"name": "counts", "counts": [3, 2]}, "one for each of the 3 classes, got 2"),
        ({"name": "step", "majority_count": 9, "minority_count": 5, "majority_classes": [3]}, "0 to 2, got 3"),
        ({"name": "exponential", "imbalance_factor": 200}, "200 cannot be had from classes of 80 to 100 samples"),
        ({"name": "linear", "imbalance_factor": 200, "cap": True}, "from 1 to max_count=100"),
    ],
)
def test_a_profile_for_other_classes_is_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        profile.validate_python(written).class_counts(AVAILABLE)
