"""Image lists handed out in batches by worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from data.image_files import write_image, write_noise
from data.sources.messages import one_line
from tailwise.data import streaming
from tailwise.data.config import DataConfig
from tailwise.data.image_list import Framing, ImageList
from tailwise.data.loader import Batches, prepare
from tailwise.data.streaming import DecoderDiedError, StreamedSamples
from tailwise.distributed import Share
from tailwise.errors import InputError

CPU = torch.device("cpu")
Handed = list[tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageList:
    folder = tmp_path_factory.mktemp("images")
    paths = [write_noise(folder / f"{row}.png", row).name for row in range(11)]
    framing = Framing(8, 10, "random-resized")
    return ImageList(np.array(paths), np.arange(11) % 3, ("a", "b", "c"), framing, folder)


def assert_same(first: Handed, second: Handed) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert all(map(torch.equal, one, other))


def test_batches_are_the_same_for_any_number_of_workers(images: ImageList) -> None:
    order = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    alone = list(StreamedSamples(images, CPU, 0).batches(order, 4, (0, 5)))
    assert [len(targets) for _, targets in alone] == [4, 4, 3]
    assert torch.cat([targets for _, targets in alone]).tolist() == images.targets[order.numpy()].tolist()
    for workers in (1, 2):
        assert_same(list(StreamedSamples(images, CPU, workers).batches(order, 4, (0, 5))), alone)


@pytest.mark.parametrize("entropy", [(0, 5), None])
def test_shares_of_several_processes_are_the_batches_of_one(images: ImageList, entropy: tuple[int, ...] | None) -> None:
    order = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    samples = StreamedSamples(images, CPU, 0)
    shares = [list(samples.batches(order, 4, entropy, Share(rank, 4))) for rank in range(4)]
    assert [len(inputs) for inputs, _ in shares[3]] == [1, 1, 0]
    parts = zip(*shares, strict=True)
    together = [(torch.cat([inputs for inputs, _ in part]), part[0][1]) for part in parts]
    assert_same(together, list(samples.batches(order, 4, entropy)))


def test_source_of_the_batches_is_told(images: ImageList) -> None:
    assert StreamedSamples(images, CPU, 2).residence == "streamed from 11 files by 2 workers"
    assert StreamedSamples(images, CPU, 1).residence == "streamed from 11 files by 1 worker"


@pytest.mark.parametrize("workers", [0, 2])
def test_every_epoch_has_its_own_order_and_crops_whatever_was_read_before(images: ImageList, workers: int) -> None:
    def fresh() -> Batches:
        batches = Batches(images, 4, CPU)
        batches.samples = StreamedSamples(images, CPU, workers)
        return batches

    used = fresh()
    first = list(used.shuffled(3, 0))
    next(used.shuffled(3, 1))  # an epoch that was left in its midst
    assert_same(list(used.shuffled(3, 2)), list(fresh().shuffled(3, 2)))
    assert_same(list(used.shuffled(3, 0)), first)
    assert not torch.equal(next(used.shuffled(3, 1))[0], first[0][0])
    expected = torch.from_numpy(images.decode(np.arange(11)))
    assert torch.equal(torch.cat([inputs for inputs, _ in used.in_order()]), expected)


def test_evaluation_takes_smaller_batches(images: ImageList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LARGEST_EVALUATION_BATCH", 5)
    batches = Batches(images, 1000, CPU)
    assert [len(targets) for _, targets in batches.in_order()] == [5, 5, 1]
    assert [len(targets) for _, targets in batches.shuffled(0, 0)] == [11]


@pytest.mark.parametrize("workers", [0, 2])
def test_reading_draws_nothing_from_the_global_generator(images: ImageList, workers: int) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    list(StreamedSamples(images, CPU, workers).batches(torch.arange(11), 4, (0, 0)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_a_worker_cannot_read_is_named_in_one_line(images: ImageList, workers: int) -> None:
    missing = ImageList(np.array(["gone.png"]), np.array([0]), ("a",), list_file=Path("b.txt"), lines=np.array([1]))
    with pytest.raises(InputError, match=one_line("there is no image gone.png (line 1 of b.txt)")):
        list(StreamedSamples(missing, CPU, workers).batches(torch.arange(1), 4, None))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed.\nMore"),
        RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nunable to allocate shared memory(shm)"),
        ConnectionResetError(104, "Connection reset by peer"),
        EOFError(),
    ],
)
def test_a_worker_that_died_is_told_from_whatever_torch_says_of_it(images: ImageList, error: Exception) -> None:
    with pytest.raises(DecoderDiedError, match=r"killed by signal: Killed$|DataLoader worker|reset by peer|^EOFError$"):
        list(failing(images, error).batches(torch.arange(11), 4, None))


@pytest.mark.parametrize("error", [RuntimeError("Caught MemoryError in DataLoader worker process 0"), OSError(24, "x")])
def test_what_a_worker_caught_is_told_as_that(images: ImageList, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        list(failing(images, error).batches(torch.arange(11), 4, None))
    assert raised.value is error


def failing(images: ImageList, error: Exception) -> StreamedSamples:
    class Loader:
        def __iter__(self) -> Iterator[torch.Tensor]:
            raise error

    samples = StreamedSamples(images, CPU, workers=0)
    samples._loader = Loader()  # type: ignore[assignment]
    return samples


def test_a_list_goes_through_class_choice_and_profile(tmp_path: Path) -> None:
    for split, count in (("train", 30), ("test", 12)):
        rows = [(write_image(tmp_path / split / f"{row}.png", row), row % 3) for row in range(count)]
        (tmp_path / f"{split}.txt").write_text("".join(f"{split}/{path.name} {label}\n" for path, label in rows))
    source = {"name": "image-list", "train": "train.txt", "test": "test.txt", "image_size": 8, "resize": 8}
    section = DataConfig.model_validate(
        {
            "source": source,
            "classes": [2, 0],
            "profile": {"name": "counts", "counts": [5, 3]},
            "test_profile": "long-tailed",
        }
    )
    prepared = prepare(section, tmp_path)
    assert list(prepared.train.arrays.counts) == [5, 3]
    assert list(prepared.test.arrays.counts) == [4, 2]
    assert prepared.train.arrays.class_names == ("2", "0")
    red = prepared.train.arrays.decode(np.arange(8))[:, 0, 0, 0]
    assert red.tolist() == prepared.train.indices.tolist()
    assert (np.where(red % 3 == 2, 0, 1) == prepared.train.arrays.targets).all()
    assert prepared.fingerprint() == prepare(section, tmp_path).fingerprint()
    other = section.model_copy(update={"seed": 1})
    assert prepared.fingerprint() != prepare(other, tmp_path).fingerprint()
