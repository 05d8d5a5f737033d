"""Options that several commands share, and the values they parse to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tailwise.errors import InputError
from tailwise.posthoc import POSTHOC, posthoc_arguments
from tailwise.reading import is_file, read_text

if TYPE_CHECKING:
    from tailwise.training.ray_sweep import Cluster

DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", envvar="TAILWISE_DATA", help="Folder of data sets.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; repeatable.", show_default=False),
]
Compiled = Annotated[
    bool, typer.Option("--compile", help="Train through torch.compile; worth its minute in long runs on a GPU.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="CPU threads of a run; by default as many as it keeps busy.", show_default=False
    ),
]

Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where to compute.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Runs at a time; by default one per core, one on a GPU.")
]
Backend = Annotated[
    Literal["local", "ray"],
    typer.Option("--backend", help="Where runs are trained: on this machine, or by Ray, on one machine or many."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT|auto",
        help="The Ray cluster; by default RAY_ADDRESS, or Ray is started on this machine for the time of the command.",
        show_default=False,
    ),
]
CpusPerRun = Annotated[
    float | None,
    typer.Option("--cpus-per-run", help="CPUs that Ray keeps for a run; by default 1.", show_default=False),
]
GpusPerRun = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-run",
        help="GPUs that Ray keeps for a run, such as 0.25 for four runs on each; by default 1, or 0 where there are "
        "none.",
        show_default=False,
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)]
Posthoc = Annotated[
    str | None,
    typer.Option(
        "--posthoc",
        metavar="NAME",
        help=f"Correct the logits: {'; '.join(f'{name} needs {cls.needs}' for name, cls in POSTHOC.items())}.",
        show_default=False,
    ),
]
Tau = Annotated[
    str | None,
    typer.Option(
        "--tau",
        metavar="NUMBER|search",
        help="Strength of logit-adjustment or rebalance; by default 1. 'search' takes the best on the run's "
        "validation samples.",
        show_default=False,
    ),
]
TestPrior = Annotated[
    str | None,
    typer.Option(
        "--test-prior",
        metavar="uniform|NUMBERS|FILE",
        help="Class frequencies for prior-shift: such as 0.9,0.1, or a file of them; by default estimated from the "
        "logits that are corrected.",
        show_default=False,
    ),
]
ThresholdMetric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="What thresholds are best for: f1, balanced_accuracy, g_mean or mcc; by default f1.",
        show_default=False,
    ),
]
Costs = Annotated[
    Path | None,
    typer.Option(
        "--costs",
        metavar="FILE",
        help="For cost-sensitive: a line for each true class with the costs of each prediction, or a number for "
        "each class, what an error on it costs.",
        show_default=False,
    ),
]

MOST_SEEDS = 10_000
LARGEST_FILE = 2**26
"""Bytes of a file of numbers."""


def parse_seeds(text: str) -> list[int]:
    """``0-4``, ``3`` or ``0,2,5-7`` as a list of different seeds.

    Raises:
        InputError: the text is none of these.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip())
        if not match:
            raise InputError(f"--seeds takes numbers and ranges such as 0-4 or 0,2,5, got {text!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if len(seeds) + last - first >= MOST_SEEDS:
            raise InputError(f"--seeds takes up to {MOST_SEEDS:,} seeds, got {text!r}; give fewer at a time")
        seeds += range(first, last + 1)
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds must name at least one seed and none twice, got {text!r}")
    return seeds


def parse_counts(text: str) -> list[int]:
    """``1000,50`` as the samples of each class.

    Raises:
        InputError: the text is no list of whole numbers.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--counts takes whole numbers separated by commas such as 1000,50, got {text!r}") from None


def parse_cluster(
    backend: str, address: str | None, cpus: float | None, gpus: float | None, jobs: int | None
) -> Cluster | None:
    """The cluster of the options above; None where Ray is not asked for.

    Raises:
        InputError: an option of Ray is given without it, or a number is out of its range.
    """
    given = {"--address": address, "--cpus-per-run": cpus, "--gpus-per-run": gpus}
    if backend == "ray":
        from tailwise.training.ray_sweep import Cluster

        return Cluster(address, 1.0 if cpus is None else cpus, gpus, jobs)
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option} {value} belongs to Ray; add --backend ray")
    return None


def parse_names(option: str, text: str | None) -> list[str] | None:
    """A comma-separated list of different names; None where the option is not given.

    Raises:
        InputError: the option is given without a name, or with one twice.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise InputError(f"{option} takes different names separated by commas, got {text!r}")
    return names


def parse_tau(text: str) -> float | Literal["search"]:
    """A strength from 0 up, or the word "search".

    Raises:
        InputError: the text is neither.
    """
    if text == "search":
        return "search"
    try:
        tau = float(text)
    except ValueError:
        tau = -1.0
    if tau < 0:
        raise InputError(f"--tau takes a number from 0 up or the word search, got {text!r}")
    return tau


def parse_test_prior(text: str) -> Literal["uniform"] | list[float]:
    """The word "uniform", ``0.9,0.1`` or a file of numbers, as the test prior.

    Raises:
        InputError: the text is none of these.
    """
    if text == "uniform":
        return "uniform"
    if is_file(Path(text)):
        return [number for line in read_numbers("--test-prior", Path(text)) for number in line]
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--test-prior takes the word uniform, numbers separated by commas or a file of numbers, got {text!r}"
        ) from None


def parse_costs(path: Path) -> list[float] | list[list[float]]:
    """A file of costs: (C, C) of a line for each true class, or (C,) of one number for each, in a line or below.

    Raises:
        InputError: the file cannot be read as numbers.
    """
    lines = read_numbers("--costs", path)
    if len(lines) == 1:
        return lines[0]
    return [line[0] for line in lines] if all(len(line) == 1 for line in lines) else lines


def read_numbers(option: str, path: Path) -> list[list[float]]:
    """The numbers of a text file, line by line, separated by commas or blanks; empty lines are left out.

    Raises:
        InputError: the file cannot be read, or holds none or anything but numbers.
    """
    try:
        lines = read_text(path, LARGEST_FILE).replace(",", " ").splitlines()
        numbers = [[float(part) for part in line.split()] for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{option} {path} cannot be read ({error}); give a text file of numbers") from error
    except ValueError as error:
        raise InputError(f"{option} {path} holds more than numbers ({error}); give a text file of numbers") from error
    if not numbers:
        raise InputError(f"{option} {path} is empty; give a text file of numbers")
    return numbers


def parse_correction(
    posthoc: str | None, tau: str | None, test_prior: str | None, metric: str | None, costs: Path | None
) -> dict[str, Any]:
    """The arguments of a correction by their names, of the options above.

    Raises:
        InputError: an option is none of what it may be, or the options do not go with the correction.
    """
    given = {"tau": tau, "test_prior": test_prior, "metric": metric, "costs": costs}
    check_correction(posthoc, {key: value for key, value in given.items() if value is not None})
    arguments: dict[str, Any] = {} if tau is None else {"tau": parse_tau(tau)}
    if metric is not None:
        arguments["metric"] = metric
    if test_prior is not None:
        arguments["test_prior"] = parse_test_prior(test_prior)
    if costs is not None:
        arguments["costs"] = parse_costs(costs)
    return arguments


def check_correction(posthoc: str | None, given: Mapping[str, object]) -> None:
    """Refuse options that the correction does not take, and a correction without the options that it needs.

    Args:
        posthoc: name of the correction, or None.
        given: the options of corrections that the user gave, by the name of the argument that they are.

    Raises:
        InputError: there is no such correction, or the options do not go with it.
    """
    for argument, value in given.items():
        takers = [name for name in POSTHOC if argument in posthoc_arguments(name)]
        option = f"--{argument.replace('_', '-')}"
        if posthoc is None:
            raise InputError(f"{option} {value} belongs to a correction; add --posthoc {' or '.join(takers)}")
        if posthoc in POSTHOC and posthoc not in takers:
            raise InputError(f"{option} {value} does not go with --posthoc {posthoc}, only with {' or '.join(takers)}")
    for argument, needed in posthoc_arguments(posthoc).items() if posthoc in POSTHOC else ():
        if needed and argument not in given:
            raise InputError(f"--posthoc {posthoc} needs --{argument.replace('_', '-')}; see tailwise evaluate --help")
