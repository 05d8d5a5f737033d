"""From a data section to batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tailwise.data import loader
from tailwise.data.arrays import Arrays
from tailwise.data.augment.steps import Flip
from tailwise.data.config import DataConfig
from tailwise.data.loader import Batches, prepare
from tailwise.errors import InputError


def config(**fields: object) -> DataConfig:
    return DataConfig.model_validate({"source": {"name": "mnist"}, **fields})


def test_indices_point_into_the_source_through_class_choice_and_profile(data_root: Path) -> None:
    section = config(classes=[5, 3], profile={"name": "counts", "counts": [300, 20]})
    prepared = prepare(section, data_root)
    whole = section.source.load(data_root, "train")
    assert list(prepared.train.arrays.counts) == [300, 20]
    np.testing.assert_array_equal(whole.inputs[prepared.train.indices], prepared.train.arrays.inputs)
    relabelled = np.where(whole.targets[prepared.train.indices] == 3, 1, 0)
    np.testing.assert_array_equal(relabelled, prepared.train.arrays.targets)
    assert list(prepared.test.arrays.counts) == [892, 1010]
    assert prepared.test.arrays.class_names == ("5", "3")


def test_another_seed_draws_other_samples_and_null_the_first(data_root: Path) -> None:
    fields = {"classes": [5, 3], "profile": {"name": "counts", "counts": [300, 20]}}
    drawn = {seed: prepare(config(**fields, seed=seed), data_root).train for seed in (0, 1, None)}
    assert not np.array_equal(drawn[0].indices, drawn[1].indices)
    targets = config().source.load(data_root, "train").targets
    first = np.sort(np.concatenate([np.flatnonzero(targets == 5)[:300], np.flatnonzero(targets == 3)[:20]]))
    np.testing.assert_array_equal(drawn[None].indices, first)


@pytest.mark.parametrize("seed", [0, None])
def test_validation_samples_are_held_out_of_the_profile_and_the_test_samples_stay(
    data_root: Path, seed: int | None
) -> None:
    profile = {"name": "counts", "counts": [300, 21]}
    fields = {"classes": [5, 3], "profile": profile, "test_profile": "long-tailed", "seed": seed}
    whole = prepare(config(**fields), data_root)
    assert whole.validation is None
    split = prepare(config(**fields, validation_fraction=0.1), data_root)
    assert split.validation is not None
    assert list(split.train.arrays.counts) == [270, 19]
    assert list(split.validation.arrays.counts) == [30, 2]
    together = np.concatenate([split.train.indices, split.validation.indices])
    np.testing.assert_array_equal(np.sort(together), whole.train.indices)
    np.testing.assert_array_equal(split.test.indices, whole.test.indices)
    source = config().source.load(data_root, "train")
    np.testing.assert_array_equal(source.inputs[split.validation.indices], split.validation.arrays.inputs)
    assert split.fingerprint() != whole.fingerprint()


def test_larger_validation_split_has_the_samples_of_a_smaller_one(data_root: Path) -> None:
    fields = {"classes": [5, 3], "profile": {"name": "counts", "counts": [300, 20]}}
    small, large = (prepare(config(**fields, validation_fraction=part), data_root).validation for part in (0.1, 0.3))
    assert small is not None
    assert large is not None
    assert set(small.indices) < set(large.indices)


def test_test_profile_follows_the_training_counts(data_root: Path) -> None:
    section = config(classes=[5, 3], profile={"name": "counts", "counts": [1000, 50]}, test_profile="long-tailed")
    assert list(prepare(section, data_root).test.arrays.counts) == [892, 44]
    backward = section.model_copy(update={"test_profile": "backward"})
    assert list(prepare(backward, data_root).test.arrays.counts) == [
        50,
        1010,
    ]


def numbered(samples: int) -> Arrays:
    return Arrays(
        np.arange(samples, dtype=np.float32)[:, None], np.arange(samples, dtype=np.int64) % 3, ("a", "b", "c")
    )


def epoch_order(batches: Batches, seed: int, epoch: int) -> list[int]:
    return torch.cat([inputs.flatten() for inputs, _ in batches.shuffled(seed, epoch)]).int().tolist()


def test_every_epoch_hands_out_every_sample_once_with_its_target() -> None:
    batches = Batches(numbered(10), 4, torch.device("cpu"))
    assert sorted(epoch_order(batches, 0, 0)) == list(range(10))
    assert all((inputs.flatten().long() % 3 == targets).all() for inputs, targets in batches.shuffled(0, 0))
    assert torch.cat([inputs.flatten() for inputs, _ in batches.in_order()]).int().tolist() == list(range(10))


def test_order_follows_from_seed_and_epoch_alone() -> None:
    batches = Batches(numbered(50), 7, torch.device("cpu"))
    assert epoch_order(batches, 3, 5) == epoch_order(batches, 3, 5)
    orders = {tuple(epoch_order(batches, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_draw_of_an_epoch_is_handed_out_in_its_order() -> None:
    batches = Batches(numbered(10), 4, torch.device("cpu"))
    handed = list(batches.shuffled(0, 3, lambda epoch: np.array([9, 9, 1, epoch, 0], dtype=np.int32)))
    assert torch.cat([inputs.flatten() for inputs, _ in handed]).tolist() == [9, 9, 1, 3, 0]
    assert torch.cat([targets for _, targets in handed]).tolist() == [0, 0, 1, 0, 0]


def test_partners_are_the_second_half_of_each_batch() -> None:
    batches = Batches(numbered(10), 4, torch.device("cpu"))

    def partners(epoch: int, count: int) -> np.ndarray:
        return np.arange(count)[::-1] + epoch - 3

    handed = list(batches.shuffled(0, 3, lambda epoch: np.array([9, 9, 1, 3, 0, 2]), partners))
    assert [inputs.flatten().tolist() for inputs, _ in handed] == [[9, 9, 1, 3, 5, 4, 3, 2], [0, 2, 1, 0]]
    assert torch.cat([targets for _, targets in handed]).tolist() == [0, 0, 1, 0, 2, 1, 0, 2, 0, 2, 1, 0]


def test_epoch_without_partners_is_as_it_was() -> None:
    batches = Batches(numbered(10), 4, torch.device("cpu"))
    plain, none = list(batches.shuffled(0, 1)), list(batches.shuffled(0, 1, None, lambda epoch, count: None))
    assert all(
        torch.equal(one, other)
        for first, second in zip(plain, none, strict=True)
        for one, other in zip(first, second, strict=True)
    )


def test_data_set_stays_where_it_fits_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((5, 100, 100, 1), dtype=np.uint8)
    arrays = Arrays(images, np.arange(5) % 2, ("a", "b"))
    assert Batches(arrays, 2, torch.device("cpu")).residence == "resident on cpu, 0.1 MB"
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (90_000, 200_000))
    gpu = torch.device("cuda")
    assert not loader._fits(images.nbytes, gpu)
    assert loader._fits(45_000, gpu)
    assert Batches(arrays, 2, gpu).residence == "in the host's memory, batches go to cuda, 0.1 MB"


def npz_config(folder: Path, train: np.ndarray, test: np.ndarray, targets: np.ndarray) -> DataConfig:
    np.savez(folder / "train.npz", inputs=train, targets=targets)
    np.savez(folder / "test.npz", inputs=test, targets=targets)
    return DataConfig.model_validate(
        {"source": {"name": "npz", "train": folder / "train.npz", "test": folder / "test.npz"}}
    )


def test_test_samples_of_another_shape_are_refused(tmp_path: Path) -> None:
    targets = np.arange(6) % 2
    for width in (1, 2, 4):  # 1 would broadcast against the training mean
        section = npz_config(tmp_path, np.zeros((6, 3), np.float32), np.zeros((6, width), np.float32), targets)
        with pytest.raises(InputError, match=rf"shape \(3,\) but test data .* shape \({width},\); they must be alike"):
            prepare(section, None)


def test_single_class_is_refused(tmp_path: Path) -> None:
    features = np.zeros((6, 3), np.float32)
    with pytest.raises(InputError, match="training needs at least two classes"):
        prepare(npz_config(tmp_path, features, features, np.zeros(6, np.int64)), None)


def test_fingerprint_follows_every_sample_label_and_choice(data_root: Path) -> None:
    fields = {"classes": [5, 3], "profile": {"name": "counts", "counts": [30, 2]}}
    prints = [prepare(config(**fields, seed=seed), data_root).fingerprint() for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    prepared = prepare(config(**fields), data_root)
    prepared.test.arrays.inputs[0, 0, 0, 0] ^= 1
    assert prepared.fingerprint() != prints[0]


def test_augmentation_of_a_table_is_refused(tmp_path: Path) -> None:
    features = np.zeros((6, 3), np.float32)
    section = npz_config(tmp_path, features, features, np.arange(6) % 2)
    with pytest.raises(InputError, match=r"data.augmentation is for images, .* tables of 3 features; leave it out"):
        prepare(section.model_copy(update={"augmentation": [Flip()]}), None)
