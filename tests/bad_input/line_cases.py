"""Command lines that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bad_input.cases import BadCommand, Words

DIGITS = "digits/long-tailed-if20"
LONG = "a" * 5000


def words(*given: str) -> Callable[[Path], Words]:
    """These words."""
    return lambda folder: given


def beside(name: str, content: str | bytes | Callable[[Path], object], *given: str) -> Callable[[Path], Words]:
    """These words, with a file of that content."""

    def make(folder: Path) -> Words:
        if callable(content):
            content(folder / name)
        else:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return given

    return make


def costs(content: str | bytes | Callable[[Path], object]) -> Callable[[Path], Words]:
    """Costs of this content."""
    return beside("costs.txt", content, "evaluate", "run", "--posthoc", "cost-sensitive", "--costs", "costs.txt")


CASES = (
    BadCommand("option of another command", words("recipes", "--seed", "3"), ("No such option",)),
    BadCommand("too many words", words("evaluate", "run", "run"), ("unexpected extra argument",)),
    BadCommand("option without a value", words("train", DIGITS, "--seed"), ("--seed", "requires an argument")),
    BadCommand("negative seed", words("train", DIGITS, "--seed", "-1"), ("--seed", "greater than or equal to 0")),
    BadCommand("seed with a fraction", words("train", DIGITS, "--seed", "1.5"), ("--seed", "integer")),
    BadCommand(
        "billion seeds", words("compare", DIGITS, "--seeds", "0-999999999"), ("--seeds takes up to 10,000 seeds",)
    ),
    BadCommand(
        "many ranges of many seeds",
        words("compare", DIGITS, "--seeds", ",".join(f"{n}0000-{n}9999" for n in range(1, 3000))),
        ("--seeds takes up to 10,000 seeds",),
    ),
    BadCommand("seeds in another notation", words("compare", DIGITS, "--seeds", "0..4"), ("--seeds", "'0..4'")),
    BadCommand("seeds of nothing", words("compare", DIGITS, "--seeds", ""), ("--seeds", "''")),
    BadCommand("seed twice", words("compare", DIGITS, "--seeds", "0-2,1"), ("none twice",)),
    BadCommand("no jobs", words("compare", DIGITS, "--jobs", "0"), ("--jobs", "greater than or equal to 1")),
    BadCommand("no threads", words("train", DIGITS, "--threads", "0"), ("--threads", "greater than or equal to 1")),
    BadCommand("no devices", words("train", DIGITS, "--devices", "0"), ("--devices", "greater than or equal to 1")),
    BadCommand(
        "billion devices", words("train", DIGITS, "--device", "cpu", "--devices", "1000000000"), ("--devices", "1024")
    ),
    BadCommand("machines in words", words("train", DIGITS, "--nodes", "all"), ("--nodes", "integer")),
    BadCommand("device that is none", words("train", DIGITS, "--device", "tpu"), ("--device", "'tpu'", "cuda")),
    BadCommand("recipe of five thousand letters", words("train", LONG), ("no recipe is named",)),
    BadCommand("recipe file of five thousand letters", words("train", f"{LONG}.yaml"), ("cannot read recipe file",)),
    BadCommand("recipe that is a folder", words("train", "."), ("no recipe is named '.'",)),
    BadCommand("recipe of escapes", words("train", "\x1b]0;owned\x07\x1b[2J"), (r"\x1b]0;owned\x07\x1b[2J",)),
    BadCommand("recipe of half a character", words("train", "caf\udce9"), ("no recipe is named",)),
    BadCommand("recipe of two lines", words("train", "a\ntailwise: b"), ("no recipe is named",)),
    BadCommand("recipe of nothing", words("train", ""), ("no recipe is named ''",)),
    BadCommand("run of five thousand letters", words("evaluate", LONG), ("too long",)),
    BadCommand("run that is a file", beside("file", "", "evaluate", "file"), ("there is no run directory file",)),
    BadCommand("run that is a recipe", words("evaluate", DIGITS), ("there is no run directory",)),
    BadCommand("run below a file", beside("file", "", "evaluate", "file/run"), ("there is no run directory",)),
    BadCommand("run in the home of nobody", words("predict", "~nobody-at-all/run", "new.npz"), ("~nobody-at-all",)),
    BadCommand(
        "run that links to itself",
        beside("loop", lambda path: path.symlink_to("loop"), "evaluate", "loop"),
        ("there is no run directory loop",),
    ),
    BadCommand(
        "out below a device",
        words("train", DIGITS, "--set", "training.epochs=1", "--out", "/dev/null/run"),
        ("/dev/null/run", "--out"),
    ),
    BadCommand(
        "out of five thousand letters",
        words("train", DIGITS, "--set", "training.epochs=1", "--out", LONG),
        ("too long",),
    ),
    BadCommand(
        "out that is a file",
        beside("file", "", "train", DIGITS, "--set", "training.epochs=1", "--out", "file"),
        ("file", "--out"),
    ),
    BadCommand(
        "correction that is none", words("evaluate", "run", "--posthoc", "calibrate"), ("'calibrate'", "temperature")
    ),
    BadCommand(
        "strength that is no number",
        words("evaluate", "run", "--posthoc", "logit-adjustment", "--tau", "nan"),
        ("tau", "nan"),
    ),
    BadCommand(
        "strength that is infinite",
        words("evaluate", "run", "--posthoc", "logit-adjustment", "--tau", "inf"),
        ("tau", "inf"),
    ),
    BadCommand(
        "strength beyond use",
        words("evaluate", "run", "--posthoc", "logit-adjustment", "--tau", "1e308"),
        ("logit-adjustment", "logits must be finite"),
    ),
    BadCommand(
        "prior that sums to nothing",
        words("evaluate", "run", "--posthoc", "prior-shift", "--test-prior", "0,0"),
        ("prior",),
    ),
    BadCommand(
        "prior of other classes",
        words("evaluate", "run", "--posthoc", "prior-shift", "--test-prior", "0.5,0.5"),
        ("prior", "10"),
    ),
    BadCommand(
        "prior that is negative",
        words("evaluate", "run", "--posthoc", "prior-shift", "--test-prior", ",".join(["-1"] * 10)),
        ("prior", "-1"),
    ),
    BadCommand(
        "prior that is no number",
        words("evaluate", "run", "--posthoc", "prior-shift", "--test-prior", ",".join(["nan"] * 10)),
        ("prior", "nan"),
    ),
    BadCommand(
        "prior of five thousand letters",
        words("evaluate", "run", "--posthoc", "prior-shift", "--test-prior", LONG),
        ("--test-prior",),
    ),
    BadCommand("costs in a directory", costs(Path.mkdir), ("costs.txt cannot be read",)),
    BadCommand("costs in a pipe", costs(os.mkfifo), ("costs.txt cannot be read",)),
    BadCommand("costs in utf-16", costs("1 1 1".encode("utf-16")), ("costs.txt cannot be read",)),
    BadCommand("costs that are negative", costs("-1 " * 10), ("costs", "-1")),
    BadCommand("costs that are infinite", costs("inf " * 10), ("costs", "inf")),
    BadCommand("costs of other classes", costs("1 2 3"), ("costs", "10", "3")),
    BadCommand("costs of nothing", costs("0 " * 10), ("costs",)),
    BadCommand(
        "profile that is none",
        words("evaluate", "run", "--test-profile", "even"),
        ("--test-profile", "'even'", "uniform"),
    ),
    BadCommand("nothing to predict", words("predict", "run"), ("Missing argument",)),
    BadCommand(
        "folder of nothing to predict",
        beside("empty", Path.mkdir, "predict", "run", "empty"),
        ("empty holds no files",),
    ),
    BadCommand("file that is not there to predict", words("predict", "run", "gone.png"), ("there is no gone.png",)),
    BadCommand("file of five thousand letters to predict", words("predict", "run", f"{LONG}.png"), ("too long",)),
    BadCommand("pipe to predict", beside("x.png", os.mkfifo, "predict", "run", "x.png"), ("x.png",), 1, lines=2),
    BadCommand(
        "device to predict",
        beside("x.npz", lambda path: path.symlink_to("/dev/zero"), "predict", "run", "x.npz"),
        ("x.npz",),
        1,
        lines=2,
    ),
    BadCommand(
        "image of another size to predict",
        beside(
            "x.png", lambda path: __import__("PIL.Image").Image.new("L", (9, 9)).save(path), "predict", "run", "x.png"
        ),
        ("9 x 9",),
        1,
        lines=2,
    ),
    BadCommand(
        "table to predict",
        beside("x.csv", "a\n1\n", "predict", "run", "x.csv"),
        ("x.csv", "trained on images"),
        1,
        lines=2,
    ),
    BadCommand(
        "batch of none to predict",
        words("predict", "run", "new.npz", "--batch-size", "0"),
        ("--batch-size", "greater than or equal to 1"),
    ),
    BadCommand(
        "classes beyond those there are",
        words("predict", "run", "new.npz", "--top", "0"),
        ("--top", "greater than or equal to 1"),
    ),
    BadCommand("predictions to a folder", words("predict", "run", "new.npz", "--out", "run"), ("'run'",)),
    BadCommand(
        "predictions to another kind of file",
        words("predict", "run", "new.npz", "--out", "x.xlsx"),
        (".csv", "'x.xlsx'"),
    ),
    BadCommand(
        "predictions below a file",
        words("predict", "run", "new.npz", "--out", "new.npz/x.csv"),
        ("cannot write to new.npz/x.csv",),
    ),
    BadCommand("report of nothing", words("report"), ("Missing argument",)),
    BadCommand("report of a folder that is not there", words("report", "gone"), ("there is no folder gone",)),
    BadCommand("report of another kind", words("report", "run", "--out", "page.pdf"), ("'page.pdf'",)),
    BadCommand(
        "report by a metric that is none", words("report", "run", "--metric", "acc"), ("no metric is named 'acc'",)
    ),
    BadCommand("report with a reference that is none", words("report", "run", "--reference", "gppe"), ("'gppe'", "ce")),
    BadCommand(
        "report with a correction without a method",
        words("report", "run", "--correction", "rebalance"),
        ("METHOD=POSTHOC",),
    ),
    BadCommand("rank with a test that is none", words("rank", "run", "--test", "t"), ("--test", "'t'")),
    BadCommand("counts of no class", words("losses", "show", "ce", "--counts", ""), ("--counts",)),
    BadCommand("counts of zeros", words("losses", "show", "ce", "--counts", "0,0"), ("class_counts are all zero",)),
    BadCommand(
        "counts beyond every integer",
        words("losses", "show", "ce", "--counts", f"1,{10**30}"),
        ("class_counts must be whole numbers", "2**63"),
    ),
    BadCommand("negative counts", words("losses", "show", "gppe", "--counts", "-5,3"), ("-5",)),
    BadCommand(
        "data that is not there", words("inspect", "gone"), ("there is no file, folder, data set or recipe 'gone'",)
    ),
    BadCommand("data of another kind", beside("x.doc", "", "inspect", "x.doc"), ("x.doc must end in",)),
    BadCommand(
        "data with brackets in its name",
        beside("photos[/red]", lambda path: path.mkdir(parents=True), "inspect", "photos[/red]"),
        ("photos[/red] must hold",),
    ),
    BadCommand(
        "data that is an empty folder", beside("empty", Path.mkdir, "inspect", "empty"), ("empty must hold one folder",)
    ),
    BadCommand(
        "data set with settings of training", words("inspect", "digits", "--set", "training.epochs=3"), ("data alone",)
    ),
    BadCommand(
        "advice into a folder",
        beside("x.csv", "a,y\n" + "1,0\n2,1\n" * 9, "inspect", "x.csv", "--recipe", "run"),
        ("cannot write the recipe run",),
    ),
    BadCommand(
        "search of no trials", words("tune", DIGITS, "--trials", "0"), ("--trials", "greater than or equal to 1")
    ),
    BadCommand(
        "search in a space of nothing",
        beside("space.yaml", "", "tune", DIGITS, "--space", "space.yaml"),
        ("space.yaml",),
    ),
    BadCommand(
        "search in a space that calls python",
        beside("space.yaml", "losses: !!python/object/apply:os.getpid []", "tune", DIGITS, "--space", "space.yaml"),
        ("space.yaml",),
    ),
    BadCommand("search in a space in reverse", words("tune", DIGITS, "--space", "focal.gamma=4:1"), ("focal.gamma",)),
)
