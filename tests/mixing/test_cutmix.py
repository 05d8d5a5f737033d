"""CutMix: labels against the pixels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats

from mixing_cases import Told, coloured, generator, seen
from tailwise.mixing import cutmix

TARGETS = torch.arange(6)


@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_labels_are_the_shares_of_the_pixels(seed: int, per_sample: bool) -> None:
    mixed, soft = cutmix(coloured(), TARGETS, 6, 1.0, 1.0, generator(seed), per_sample)
    assert mixed.dtype == torch.uint8
    torch.testing.assert_close(soft, seen(mixed, 6))
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(6))


def test_every_image_is_pasted_into_one() -> None:
    mixed, soft = cutmix(coloured(), TARGETS, 6, 1.0, 1.0, Told(0.75, 4, 6))
    torch.testing.assert_close(soft.sum(dim=0), torch.ones(6))
    assert (mixed[:, :, 0, 0] == TARGETS[:, None]).all()  # the corners are the images' own


def test_boxes_of_one_batch_are_alike_and_of_single_images_differ() -> None:
    for per_sample in (False, True):
        mixed, _ = cutmix(coloured(200), torch.arange(200), 200, 1.0, 1.0, generator(), per_sample)
        own = (mixed[:, 0] == torch.arange(200)[:, None, None]).flatten(1)
        boxes = {tuple(row) for row in own.tolist() if not all(row)}
        assert len(boxes) > 50 if per_sample else len(boxes) == 1


def test_box_has_sides_of_the_root_of_the_share_about_its_centre() -> None:
    mixed, soft = cutmix(coloured(), TARGETS, 6, 1.0, 1.0, Told(0.75, 4, 6))
    expected = coloured()
    expected[:, :, 2:6, 3:9] = coloured().flip(0)[:, :, 2:6, 3:9]
    assert torch.equal(mixed, expected)
    torch.testing.assert_close(soft, 0.75 * torch.eye(6) + 0.25 * torch.eye(6).flip(0))


@pytest.mark.parametrize(
    ("row", "column", "rows", "columns"), [(0, 0, 2, 3), (7, 11, 3, 4), (0, 6, 2, 6), (7, 6, 3, 6), (4, 6, 4, 6)]
)
def test_label_is_the_area_of_what_of_the_box_lies_in_the_image(row: int, column: int, rows: int, columns: int) -> None:
    mixed, soft = cutmix(coloured(), TARGETS, 6, 1.0, 1.0, Told(0.75, row, column))
    torch.testing.assert_close(soft, seen(mixed, 6))
    assert float(soft[0, 5]) == pytest.approx(rows * columns / (8 * 12))


def test_share_of_one_leaves_the_image_and_of_none_takes_what_the_box_reaches() -> None:
    mixed, soft = cutmix(coloured(), TARGETS, 6, 1.0, 1.0, Told(1.0, 4, 6))
    assert torch.equal(mixed, coloured())
    assert torch.equal(soft, torch.eye(6))
    mixed, soft = cutmix(coloured(), TARGETS, 6, 1.0, 1.0, Told(0.0, 4, 6))
    assert (mixed == mixed[:, :, :1, :1]).all()
    torch.testing.assert_close(soft, seen(mixed, 6))


def test_channels_may_come_last() -> None:
    first = cutmix(coloured(), TARGETS, 6, generator=generator())
    last = cutmix(coloured().permute(0, 2, 3, 1), TARGETS, 6, generator=generator(), channels_last=True)
    assert torch.equal(first[0], last[0].permute(0, 3, 1, 2))
    assert torch.equal(first[1], last[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_floating_images_keep_their_type(dtype: torch.dtype) -> None:
    mixed, soft = cutmix(coloured().to(dtype), TARGETS, 6, generator=generator())
    assert mixed.dtype == dtype
    assert soft.dtype == torch.float32
    assert torch.equal(mixed, cutmix(coloured(), TARGETS, 6, generator=generator())[0].to(dtype))


def test_batch_of_one_is_itself() -> None:
    mixed, soft = cutmix(coloured(1), TARGETS[:1], 6, generator=generator())
    assert torch.equal(mixed, coloured(1))
    torch.testing.assert_close(soft, torch.eye(6)[:1])


def test_so_many_batches_are_mixed_as_the_probability_says() -> None:
    source = generator()
    mixed = sum(
        not torch.equal(cutmix(coloured(8, 4, 4), torch.arange(8), 8, 10.0, 0.3, source)[1], torch.eye(8))
        for _ in range(1000)
    )
    assert stats.binomtest(mixed, 1000, 0.3).pvalue > 1e-3


def test_generator_decides() -> None:
    first, again, other = (cutmix(coloured(), TARGETS, 6, generator=generator(seed))[0] for seed in (0, 0, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cutmix(torch.eye(6), TARGETS, 6), r"of four dimensions, got \(6, 6\); use mixup instead"),
        (lambda: cutmix(coloured(), TARGETS, 6, alpha=0.0), "alpha must be positive, got 0.0"),
        (
            lambda: cutmix(coloured(), TARGETS, 6, probability=1.1),
            "probability must be at least 0 and at most 1, got 1.1",
        ),
        (
            lambda: cutmix(coloured(), TARGETS[:3], 6),
            r"targets must be 6 int64 class indices, got torch.int64 of shape",
        ),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
