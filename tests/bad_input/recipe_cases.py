"""Recipes that cannot be used: as files, as settings, and as words of a command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bad_input.cases import BadCommand, Words

OWN = """\
name: mine
about: my table
settings:
  data:
    source: {name: digits}
    profile: {name: exponential, imbalance_factor: 20}
  model: {name: mlp, widths: [8]}
  training: {epochs: 1}
methods: {ce: {}, gppe: {}}
"""
DIGITS = "digits/long-tailed-if20"


def text(content: str | bytes) -> Callable[[Path], Words]:
    """Train from a file of this content."""

    def make(folder: Path) -> Words:
        (folder / "mine.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
        return ["train", "mine.yaml"]

    return make


def setting(*words: str, recipe: str = DIGITS, loss: str = "ce") -> Callable[[Path], Words]:
    """Train a recipe of the package with these settings."""
    return lambda folder: ["train", recipe, "--loss", loss, *(word for given in words for word in ("--set", given))]


def _directory(folder: Path) -> Words:
    (folder / "mine.yaml").mkdir()
    return ["train", "mine.yaml"]


def _link_loop(folder: Path) -> Words:
    (folder / "mine.yaml").symlink_to("other.yaml")
    (folder / "other.yaml").symlink_to("mine.yaml")
    return ["train", "mine.yaml"]


def _pipe(folder: Path) -> Words:
    os.mkfifo(folder / "mine.yaml")
    return ["train", "mine.yaml"]


def _endless(folder: Path) -> Words:
    (folder / "mine.yaml").symlink_to("/dev/zero")
    return ["train", "mine.yaml"]


LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))

CASES = (
    # Files that are none.
    BadCommand("empty file", text(""), ("mine.yaml must be a YAML mapping",)),
    BadCommand("comments alone", text("# nothing yet\n"), ("mine.yaml must be a YAML mapping",)),
    BadCommand("directory in place of a recipe", _directory, ("mine.yaml", "no file to read")),
    BadCommand("links to each other", _link_loop, ("symbolic links",)),
    BadCommand("pipe in place of a recipe", _pipe, ("mine.yaml", "no file to read")),
    BadCommand("device in place of a recipe", _endless, ("mine.yaml", "no file to read")),
    BadCommand("twenty megabytes", text(OWN + "# filler\n" * 2_300_000), ("mine.yaml", "1,000,000 bytes")),
    BadCommand("utf-16", text(OWN.encode("utf-16")), ("cannot read recipe file mine.yaml", "UTF-8")),
    BadCommand("null bytes", text(OWN.replace("my table", "my\0table")), ("is not valid YAML", "special characters")),
    BadCommand("tab for indentation", text(OWN.replace("  data", "\tdata")), ("is not valid YAML", "'\\t'", "line 4")),
    BadCommand("two documents", text(OWN + "---\n" + OWN), ("is not valid YAML", "another document")),
    BadCommand("csv under another name", text("a,b\n1,2\n"), ("mine.yaml must be a YAML mapping",)),
    # YAML that attacks its reader.
    BadCommand("billion laughs", text(LAUGHS + OWN.replace("epochs: 1", "epochs: *a11")), ("mine.yaml", "aliases")),
    BadCommand(
        "billion laughs in a setting",
        setting(f"training.epochs={{{', '.join(LAUGHS.splitlines())}, b: *a11}}"),
        ("aliases",),
    ),
    BadCommand("alias of itself", text(OWN.replace("epochs: 1", "epochs: &e [*e]")), ("mine.yaml", "itself")),
    BadCommand(
        "methods that hold themselves",
        text(OWN.replace("methods: {ce", "methods: &m {ce: *m, b")),
        ("mine.yaml", "itself"),
    ),
    BadCommand("two thousand brackets", text("a: " + "[" * 2_000), ("mine.yaml", "nested")),
    BadCommand("two thousand brackets in a setting", setting("training.epochs=" + "[" * 2_000), ("nested",)),
    BadCommand(
        "tag that calls python",
        text(OWN.replace("my table", "!!python/object/new:os.system [id]")),
        ("is not valid YAML", "python/object/new"),
    ),
    BadCommand(
        "tag that includes a file",
        text(OWN.replace("my table", "!include /etc/passwd")),
        ("is not valid YAML", "!include"),
    ),
    BadCommand(
        "tag that calls python in a setting",
        setting("training.epochs=!!python/object/apply:os.getpid []"),
        ("--set", "python/object/apply"),
    ),
    BadCommand(
        "number of ten thousand digits",
        text(OWN.replace("epochs: 1", "epochs: " + "9" * 10_000)),
        ("mine.yaml is not valid YAML", "line 8"),
    ),
    BadCommand(
        "impossible date", text(OWN.replace("my table", "2024-99-99")), ("mine.yaml is not valid YAML", "line 2")
    ),
    BadCommand("impossible date in a setting", setting("training.epochs=2024-02-30"), ("--set", "is not valid YAML")),
    BadCommand(
        "text tagged as a number",
        text(OWN.replace("epochs: 1", "epochs: !!int many")),
        ("mine.yaml is not valid YAML", "many"),
    ),
    BadCommand("broken base64", text(OWN.replace("my table", '!!binary "ä"')), ("is not valid YAML", "line 2")),
    BadCommand("alias of nothing", text(OWN.replace("epochs: 1", "epochs: *e")), ("undefined alias 'e'",)),
    BadCommand(
        "merging a number", text(OWN.replace("epochs: 1", "<<: 3")), ("is not valid YAML", "expected a mapping")
    ),
    BadCommand(
        "braces that fill the memory",
        text(OWN.replace("name: mine", 'name: "{size:>9999999999}"') + "matrix: {size: {big: {}}}\n"),
        ("{axis}",),
    ),
    BadCommand(
        "braces that look inside",
        text(OWN.replace("my table", '"{size.__class__.__mro__}"') + "matrix: {size: {big: {}}}\n"),
        ("{axis}",),
    ),
    BadCommand(
        "matrix of ten billion recipes",
        text(
            OWN
            + "matrix:\n"
            + "".join(f"  a{n}: {{{', '.join(f'c{m}: {{}}' for m in range(10))}}}\n" for n in range(10))
        ),
        ("mine.yaml has a matrix of 10000000000 recipes",),
    ),
    # Fields of another kind.
    BadCommand("number as a key", text(OWN + "1: 2\n"), ("mine.yaml", "1")),
    BadCommand("number as a name", text(OWN.replace("name: mine", "name: 3")), ("name", "string", "3")),
    BadCommand("list of methods", text(OWN.replace("{ce: {}, gppe: {}}", "[ce, gppe]")), ("methods", "dictionary")),
    BadCommand("no methods", text(OWN.replace("{ce: {}, gppe: {}}", "{}")), ("methods", "at least 1")),
    BadCommand("method that is a word", text(OWN.replace("{ce: {}", "{ce: plain")), ("methods.ce", "'plain'")),
    BadCommand(
        "method with a key that is a number", text(OWN.replace("{ce: {}", "{ce: {training: {3: 4}}")), ("training.3",)
    ),
    BadCommand("settings that are a list", text(OWN.replace("settings:", "settings: []\nold:")), ("settings", "[]")),
    BadCommand(
        "section that is a number", text(OWN.replace("training: {epochs: 1}", "training: 3")), ("training", "3")
    ),
    BadCommand("section that is empty", text(OWN.replace("training: {epochs: 1}", "training:")), ("training", "None")),
    BadCommand(
        "no data",
        text(
            OWN.replace("source: {name: digits}", "").replace(
                "profile: {name: exponential, imbalance_factor: 20}", "seed: 1"
            )
        ),
        ("data.source is missing",),
    ),
    BadCommand("field of another section", setting("training.lr=0.1"), ("unknown key training.lr",)),
    BadCommand("name of two networks", setting("model.name=[mlp, cnn]"), ("model.name",)),
    BadCommand("name that is a mapping", setting("optimizer.name={a: 1}"), ("optimizer",)),
    BadCommand("name that is nothing", setting("optimizer.name="), ("optimizer.name", "None")),
    # Numbers.
    BadCommand("trillion epochs", setting("training.epochs=1000000000000"), ("training.epochs", "1000000000000")),
    BadCommand("trillion samples a batch", setting("training.batch_size=1000000000000"), ("training.batch_size",)),
    BadCommand("half an epoch", setting("training.epochs=0.5"), ("training.epochs", "0.5")),
    BadCommand("infinite epochs", setting("training.epochs=.inf"), ("training.epochs", "inf")),
    BadCommand("batch of none", setting("training.batch_size=0"), ("training.batch_size", "greater than 0")),
    BadCommand("truth for a rate", setting("optimizer.lr=true"), ("optimizer.lr", "no true or false")),
    BadCommand(
        "truth for a factor",
        setting("data.profile.imbalance_factor=yes"),
        ("data.profile.imbalance_factor", "no true or false"),
    ),
    BadCommand(
        "truth for a setting of a loss", setting("loss.gamma=true", loss="focal"), ("loss.gamma", "no true or false")
    ),
    BadCommand("truth in a list", setting("model.widths=[8, true]"), ("model.widths.1", "True")),
    BadCommand("rate beyond every number", setting("optimizer.lr=1e400"), ("optimizer.lr", "1e400")),
    BadCommand("rate in words", setting("optimizer.lr=fast"), ("optimizer.lr", "'fast'")),
    BadCommand("negative rate", setting("optimizer.lr=-0.1"), ("optimizer.lr", "-0.1")),
    BadCommand("network of a billion", setting("model.widths=[1000000000]"), ("model.widths", "1000000000")),
    BadCommand(
        "network of ten thousand layers",
        setting(f"model.widths=[{', '.join(['8'] * 10_000)}]"),
        ("model.widths", "10000"),
    ),
    BadCommand("million experts", setting("model={name: resnet20}", "experts.number=1000000"), ("experts.number",)),
    BadCommand("weight for too few classes", setting("loss.weight=[1, 2]"), ("loss", "weight", "2")),
    BadCommand("weight that is not a number", setting("loss.weight=[1, .nan]"), ("loss", "weight", "finite")),
    BadCommand("weights in words", setting("loss.weight=[a, b]"), ("loss", "weight", "one number per class")),
    BadCommand("smoothing beyond one", setting("loss.label_smoothing=1.5"), ("label_smoothing", "1.5")),
    BadCommand("focusing that is not a number", setting("loss.gamma=.nan", loss="focal"), ("gamma", "nan")),
    BadCommand("setting of a loss misspelt", setting("loss.gama=2", loss="focal"), ("'gama'", "gamma")),
    # Data that cannot be had.
    BadCommand("classes twice", setting("data.classes=[3, 3]"), ("classes", "3 twice")),
    BadCommand("class that is not there", setting("data.classes=[3, 99]"), ("classes", "99")),
    BadCommand("class beyond every integer", setting("data.classes=[3, 100000000000000000000]"), ("classes",)),
    BadCommand("negative class", setting("data.classes=[-1, 3]"), ("classes", "-1")),
    BadCommand(
        "validation of everything", setting("data.validation_fraction=1"), ("validation_fraction", "less than 1")
    ),
    BadCommand(
        "validation that is not a number", setting("data.validation_fraction=.nan"), ("validation_fraction", "nan")
    ),
    BadCommand("negative seed of the data", setting("data.seed=-1"), ("data.seed", "-1")),
    BadCommand("test profile misspelt", setting("data.test_profile=unifrom"), ("data.test_profile", "uniform")),
    BadCommand("more samples than exist", setting("data.profile.max_count=100000"), ("100000 were asked for",)),
    BadCommand("more samples than numbers", setting(f"data.profile.max_count={10**30}"), ("max_count",)),
    BadCommand(
        "factor beyond the samples",
        setting("data.profile={name: exponential, imbalance_factor: 1e300}"),
        ("imbalance_factor", "1e+300"),
    ),
    BadCommand(
        "steps of a class that is not there",
        setting("data.profile={name: step, majority_count: 9, minority_count: 3, majority_classes: [77]}"),
        ("77",),
    ),
    BadCommand(
        "counts for too few classes",
        setting("data.profile={name: counts, counts: [9, 3]}"),
        ("one for each of the 10 classes", "2"),
    ),
    BadCommand(
        "counts of nothing",
        setting("data.profile={name: counts, counts: [9, 0, 9, 9, 9, 9, 9, 9, 9, 9]}"),
        ("counts", "greater than or equal to 1"),
    ),
    BadCommand(
        "path with a null byte", setting('data.source={name: npz, train: "a\\0b.npz"}'), ("there is no", "b.npz")
    ),
    BadCommand(
        "path of five thousand letters", setting(f"data.source={{name: npz, train: {'a' * 5000}.npz}}"), ("too long",)
    ),
    BadCommand("home of nobody", setting("data.source={name: npz, train: ~nobody-at-all/x.npz}"), ("~nobody-at-all",)),
    BadCommand(
        "images a billion wide",
        setting("data.source={name: image-folder, path: ., image_size: 1000000000}"),
        ("image_size", "1000000000"),
    ),
    BadCommand(
        "padding a billion wide",
        setting("data.augmentation=[{name: crop, padding: 1000000000}]"),
        ("crop.padding must be below the 8 pixels of a side",),
    ),
    BadCommand(
        "augmentation that is no list", setting("data.augmentation={name: flip}"), ("data.augmentation", "list")
    ),
    BadCommand("widths of a network that has its own", setting("model={name: lenet, widths: [8]}"), ("widths",)),
    BadCommand("network of a stranger", setting("model={name: 'timm/hf-hub:someone/model'}"), ("timm",)),
    BadCommand("path for a network", setting("model={name: /tmp/weights.pt}"), ("model.name", "timm/NAME")),
    BadCommand("pretrained network of ours", setting("model.pretrained=true"), ("pretrained",)),
    BadCommand(
        "phases in reverse",
        setting("training.epochs=9", "class_weights={name: phased, start: 8, end: 2}"),
        ("class_weights", "8", "2"),
    ),
    BadCommand(
        "sampling in reverse",
        setting("training.epochs=9", "sampling={name: phased, start: 8, end: 2}"),
        ("sampling", "8", "2"),
    ),
    BadCommand("second stage misspelt", setting("stage2.name=ctr"), ("stage2.name", "'ctr'", "crt")),
    BadCommand("second stage of none", setting("stage2={name: crt, epochs: 0}"), ("stage2.epochs", "greater than 0")),
    BadCommand("log to nowhere", setting("logging=[{name: printer}]"), ("logging.0.name", "'printer'")),
    BadCommand("precision that does not exist", setting("training.precision=8-true"), ("training.precision",)),
    # Words that set nothing.
    BadCommand("setting without a name", setting("=3"), ("--set takes key=value",)),
    BadCommand("setting of dots", setting("..=3"), ("--set",)),
    BadCommand("setting with an empty part", setting("training..epochs=3"), ("--set", "training..epochs")),
    BadCommand("setting with a dot at its end", setting("training.=3"), ("--set", "training.")),
    BadCommand("section replaced by a number", setting("data=3"), ("data", "3")),
    BadCommand("list that is set into", setting("model.widths.0=3"), ("widths", "nothing below it")),
)
