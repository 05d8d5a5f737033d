"""Data files that cannot be used, each as the data of a training."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
from PIL import Image

from bad_input.cases import BadCommand, Words

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 4
FEATURES = RNG.normal(size=(40, 3)).astype(np.float32)


def trained_on(source: str) -> Words:
    """Words that train on a source in this folder."""
    data = f"data={{source: {{{source}}}, profile: {{name: natural}}}}"
    return ["train", "digits/long-tailed-if20", "--set", data, "--set", "training.epochs=1", "--data-root", "."]


def file(name: str, content: bytes | str | Callable[[Path], object], more: str = "") -> Callable[[Path], Words]:
    """A file of this content, or written by a function, read by the source that its ending says."""

    def make(folder: Path) -> Words:
        path = folder / name
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        kind = {"txt": "image-list"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
        return trained_on(f"name: {kind}, train: {name}{', target: y' if kind == 'csv' else ''}{more}")

    return make


def npz(**arrays: Any) -> Callable[[Path], Words]:
    """An archive of these arrays."""
    return file("x.npz", lambda path: np.savez(path, **arrays))


def zipped(members: dict[str, bytes], change: Callable[[bytes], bytes] = bytes) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return change(buffer.getvalue())


def npy(header: str, content: bytes = b"") -> bytes:
    """An array as numpy stores it, whose header says what one likes."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def stored(array: Any) -> bytes:
    """An array as numpy stores it."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


LABELS_NPY = stored(LABELS)


def _encrypted(content: bytes) -> bytes:
    """Set the flag that says that a member is encrypted."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(signature)
        while at >= 0:
            changed[at + offset] |= 1
            at = changed.find(signature, at + 4)
    return bytes(changed)


def _method_99(content: bytes) -> bytes:
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = changed.find(signature)
        while at >= 0:
            changed[at + offset] = 99
            at = changed.find(signature, at + 4)
    return bytes(changed)


def png(width: int, height: int, content: bytes = b"") -> bytes:
    """A PNG that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def picture(mode: str = "RGB", kind: str = "PNG") -> bytes:
    """A sound image."""
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (12, 12, 3), dtype=np.uint8)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 12 12\n%%EndComments\n(out) (w) file\n%%EOF\n"


def photos(damage: Callable[[Path], object]) -> Callable[[Path], Words]:
    """A folder of images of two classes, then damaged."""

    def make(folder: Path) -> Words:
        for name in ("cat", "dog"):
            (folder / "photos" / name).mkdir(parents=True)
            for number in range(4):
                (folder / "photos" / name / f"{number}.png").write_bytes(picture())
        damage(folder / "photos")
        return trained_on("name: image-folder, path: photos, image_size: 8")

    return make


def listed(lines: str | bytes) -> Callable[[Path], Words]:
    """A list of two images, x.png and y.png."""

    def make(folder: Path) -> Words:
        for name in "xy":
            (folder / f"{name}.png").write_bytes(picture())
        os.mkfifo(folder / "pipe.png")
        return [*file("list.txt", lines, ", image_size: 8, resize: 8")(folder), "--set", "model={name: lenet}"]

    return make


def parquet(change: Callable[[dict[str, Any]], Any] = lambda columns: columns) -> Callable[[Path], Words]:
    """Eight images and their labels, in columns that are changed."""

    def write(path: Path) -> None:
        columns = {"image": [picture() for _ in range(8)], "label": [0, 1] * 4}
        changed = change(columns)
        pq.write_table(changed if isinstance(changed, pa.Table) else pa.table(changed), path)

    return file("x.parquet", write)


def damaged_parquet(damage: Callable[[bytes], bytes]) -> Callable[[Path], Words]:
    """A sound file, then damaged."""

    def make(folder: Path) -> Words:
        words = parquet()(folder)
        (folder / "x.parquet").write_bytes(damage((folder / "x.parquet").read_bytes()))
        return words

    return make


def mnist(images: bytes, labels: bytes) -> Callable[[Path], Words]:
    """The four files of MNIST, gzipped."""

    def make(folder: Path) -> Words:
        (folder / "mnist").mkdir()
        for split in ("train", "t10k"):
            (folder / f"mnist/{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
            (folder / f"mnist/{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        return trained_on("name: mnist")

    return make


def idx(*shape: int, content: bytes = b"") -> bytes:
    """An idx file that claims a shape."""
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + content


def cifar(*members: tuple[str, bytes, bytes]) -> Callable[[Path], Words]:
    """An archive in place of CIFAR-10's."""

    def make(folder: Path) -> Words:
        (folder / "cifar10").mkdir()
        with tarfile.open(folder / "cifar10/cifar-10-binary.tar.gz", "w:gz") as archive:
            for name, content, kind in members:
                member = tarfile.TarInfo(name)
                member.type, member.size = kind, len(content)
                member.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
                archive.addfile(member, io.BytesIO(content))
        return trained_on("name: cifar10")

    return make


def svhn(write: Callable[[Path], object]) -> Callable[[Path], Words]:
    """A MATLAB file in place of SVHN's."""

    def make(folder: Path) -> Words:
        (folder / "svhn").mkdir()
        write(folder / "svhn/train_32x32.mat")
        return trained_on("name: svhn")

    return make


DIGITS = RNG.integers(0, 256, (32, 32, 3, 20), dtype=np.uint8)


def _make_directory(path: Path) -> None:
    path.mkdir()


def _link_loop(path: Path) -> None:
    path.symlink_to("other")
    path.with_name("other").symlink_to(path.name)


TABLE = "a,b,y\n" + "".join(f"{n},{n % 3},{n % 2}\n" for n in range(20))

CASES = (
    # Archives of NumPy.
    BadCommand("npz directory", file("x.npz", _make_directory), ("x.npz",)),
    BadCommand("npz link loop", file("x.npz", _link_loop), ("there is no", "x.npz")),
    BadCommand("npz pipe", file("x.npz", os.mkfifo), ("x.npz",)),
    BadCommand("npz without an array", npz(inputs=FEATURES), ("x.npz has no array 'targets'; it has inputs",)),
    BadCommand("npz without anything", npz(), ("x.npz has no array 'inputs'",)),
    BadCommand("npz of numpy's other format", file("x.npz", LABELS_NPY), ("x.npz is not a readable .npz file",)),
    BadCommand(
        "npz of objects", npz(inputs=np.array([object()] * 40), targets=LABELS), ("x.npz", "without Python objects")
    ),
    BadCommand(
        "npz encrypted",
        file("x.npz", zipped({"inputs.npy": LABELS_NPY, "targets.npy": LABELS_NPY}, _encrypted)),
        ("x.npz is not a readable .npz file", "encrypted"),
    ),
    BadCommand(
        "npz of an unknown compression",
        file("x.npz", zipped({"inputs.npy": LABELS_NPY, "targets.npy": LABELS_NPY}, _method_99)),
        ("x.npz is not a readable .npz file", "compression"),
    ),
    BadCommand(
        "npz of an array that is huge by its header",
        file(
            "x.npz",
            zipped(
                {
                    "inputs.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000)}"),
                    "targets.npy": LABELS_NPY,
                }
            ),
        ),
        ("x.npz is not a readable .npz file",),
    ),
    BadCommand(
        "npz with code in its header",
        file(
            "x.npz", zipped({"inputs.npy": npy("__import__('os').system('touch hacked')"), "targets.npy": LABELS_NPY})
        ),
        ("x.npz is not a readable .npz file",),
    ),
    BadCommand(
        "npz with an unfinished header",
        file("x.npz", zipped({"inputs.npy": npy("{'descr': '<f4', 'shape': (((((("), "targets.npy": LABELS_NPY})),
        ("x.npz is not a readable .npz file",),
    ),
    BadCommand(
        "npz with a negative shape",
        file(
            "x.npz",
            zipped(
                {
                    "inputs.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}"),
                    "targets.npy": LABELS_NPY,
                }
            ),
        ),
        ("x.npz",),
    ),
    BadCommand(
        "npz cut short",
        file(
            "x.npz",
            lambda path: (np.savez(path, inputs=FEATURES, targets=LABELS), path.write_bytes(path.read_bytes()[:-50])),
        ),
        ("x.npz is not a readable .npz file",),
    ),
    BadCommand(
        "npz with a flipped byte",
        file(
            "x.npz",
            zipped(
                {"inputs.npy": LABELS_NPY, "targets.npy": LABELS_NPY}, lambda raw: raw[:200] + b"\xff\xff" + raw[202:]
            ),
        ),
        ("x.npz is not a readable .npz file",),
    ),
    BadCommand("npz of one number", npz(inputs=np.float32(3), targets=LABELS), ("equally long", "()")),
    BadCommand("npz of unequal lengths", npz(inputs=FEATURES[:9], targets=LABELS), ("equally long", "(9, 3)", "(40,)")),
    BadCommand("npz of labels in a column", npz(inputs=FEATURES, targets=LABELS[:, None]), ("(40, 1)",)),
    BadCommand(
        "npz of labels with fractions", npz(inputs=FEATURES, targets=LABELS + 0.5), ("integer or string labels",)
    ),
    BadCommand(
        "npz of truths for labels", npz(inputs=FEATURES, targets=LABELS > 1), ("integer or string labels", "bool")
    ),
    BadCommand(
        "npz of a negative label among others", npz(inputs=FEATURES, targets=LABELS - 2), ("label -2 in row 0",)
    ),
    BadCommand("npz of a single class", npz(inputs=FEATURES, targets=LABELS * 0), ("two classes",)),
    BadCommand("npz of classes of one sample", npz(inputs=FEATURES, targets=np.arange(40)), ("one sample per class",)),
    BadCommand("npz of no samples", npz(inputs=FEATURES[:0], targets=LABELS[:0]), ("x.npz holds no samples",)),
    BadCommand("npz of no features", npz(inputs=FEATURES[:, :0], targets=LABELS), ("x.npz", "(32, 0)")),
    BadCommand(
        "npz of features that are not numbers",
        npz(inputs=np.where(FEATURES > 2, np.nan, FEATURES), targets=LABELS),
        ("finite float32", "nan in row"),
    ),
    BadCommand(
        "npz of features beyond float32",
        npz(inputs=FEATURES.astype(float) * 1e200, targets=LABELS),
        ("finite float32", "row 0, column 0"),
    ),
    BadCommand("npz of complex features", npz(inputs=FEATURES + 1j, targets=LABELS), ("x.npz", "complex")),
    BadCommand("npz of words for features", npz(inputs=np.full((40, 3), "a"), targets=LABELS), ("x.npz", "<U1")),
    BadCommand("npz of images in float", npz(inputs=RNG.random((40, 8, 8, 3)), targets=LABELS), ("uint8", "float64")),
    BadCommand(
        "npz of videos", npz(inputs=np.zeros((40, 2, 8, 8, 3), np.uint8), targets=LABELS), ("uint8", "(32, 2, 8, 8, 3)")
    ),
    BadCommand(
        "npz of dates for labels", npz(inputs=FEATURES, targets=LABELS.astype("M8[D]")), ("integer or string labels",)
    ),
    BadCommand(
        "npz of records", npz(inputs=np.zeros(40, dtype=[("a", "f4"), ("b", "f4")]), targets=LABELS), ("x.npz",)
    ),
    BadCommand(
        "npz whose test file has another width",
        lambda folder: (
            np.savez(folder / "test.npz", inputs=FEATURES[:, :2], targets=LABELS),
            file("x.npz", lambda path: np.savez(path, inputs=FEATURES, targets=LABELS), ", test: test.npz")(folder),
        )[1],
        ("(3,)", "(2,)", "must be alike"),
    ),
    BadCommand(
        "npz whose test file has another class",
        lambda folder: (
            np.savez(folder / "test.npz", inputs=FEATURES, targets=LABELS + 2),
            file("x.npz", lambda path: np.savez(path, inputs=FEATURES, targets=LABELS), ", test: test.npz")(folder),
        )[1],
        ("test.npz has label 4", "do not have"),
    ),
    # Tables.
    BadCommand("csv directory", file("x.csv", _make_directory), ("x.csv",)),
    BadCommand("csv pipe", file("x.csv", os.mkfifo), ("x.csv",)),
    BadCommand("csv device", file("x.csv", lambda path: path.symlink_to("/dev/zero")), ("x.csv",)),
    BadCommand("csv empty", file("x.csv", ""), ("x.csv",)),
    BadCommand("csv of a header alone", file("x.csv", "a,b,y\n"), ("x.csv holds no samples",)),
    BadCommand("csv in utf-16", file("x.csv", TABLE.encode("utf-16")), ("x.csv",)),
    BadCommand(
        "csv with a header in latin-1",
        file("x.csv", TABLE.replace("a,", "größe,").encode("latin-1")),
        ("x.csv", "utf-8"),
    ),
    BadCommand(
        "csv with labels in latin-1",
        file("x.csv", TABLE.replace(",1\n", ",größe\n").encode("latin-1")),
        ("x.csv", "UTF8"),
    ),
    BadCommand("csv with null bytes", file("x.csv", TABLE.replace("3,", "\0,")), ("x.csv",)),
    BadCommand(
        "csv separated by semicolons",
        file("x.csv", TABLE.replace(",", ";")),
        ("no column 'y'", "a;b;y", "separated by semicolons: save it with commas"),
    ),
    BadCommand(
        "csv with a short row", file("x.csv", TABLE + "1,2\n"), ("x.csv is not a readable CSV table", "3 columns")
    ),
    BadCommand("csv with an open quote", file("x.csv", TABLE + '"1,2,3\n'), ("x.csv",)),
    BadCommand("csv with a column twice", file("x.csv", TABLE.replace("a,b", "a,a")), ("two columns 'a'",)),
    BadCommand("csv with decimal commas", file("x.csv", TABLE.replace("3,0", '"3,5",0')), ("'3,5'", "column 'a'")),
    BadCommand(
        "csv with a number beyond every other", file("x.csv", TABLE.replace("3,0", "1e400,0")), ("1e400", "column 'a'")
    ),
    BadCommand("csv with infinity", file("x.csv", TABLE.replace("3,0", "inf,0")), ("'inf'", "column 'a'")),
    BadCommand("csv with truths for numbers", file("x.csv", TABLE.replace("3,0", "True,0")), ("'True'", "column 'a'")),
    BadCommand("csv with hexadecimal numbers", file("x.csv", TABLE.replace("3,0", "0x1F,0")), ("'0x1F'", "column 'a'")),
    BadCommand("csv with underscores in numbers", file("x.csv", TABLE.replace("3,0", "1_000,0")), ("'1_000'",)),
    BadCommand("csv with an empty cell", file("x.csv", TABLE.replace("3,0", ",0")), ("an empty cell in column 'a'",)),
    BadCommand("csv with an empty label", file("x.csv", TABLE + "1,2,\n"), ("no label in column 'y', row 20",)),
    BadCommand("csv with labels alone", file("x.csv", "y\n" + "0\n1\n" * 9), ("at least one feature column",)),
    BadCommand(
        "csv with the label among the features", file("x.csv", TABLE, ", features: [a, y]"), ("feature column",)
    ),
    BadCommand("csv with a feature that is not there", file("x.csv", TABLE, ", features: [a, c]"), ("no column 'c'",)),
    BadCommand("csv with a feature twice", file("x.csv", TABLE, ", features: [a, a]"), ("'a'",)),
    BadCommand("csv of a web page", file("x.csv", "<!DOCTYPE html>\n<p>404</p>\n"), ("no column 'y'",)),
    # Parquet.
    BadCommand("parquet directory", file("x.parquet", _make_directory), ("x.parquet",)),
    BadCommand("parquet pipe", file("x.parquet", os.mkfifo), ("x.parquet",)),
    BadCommand(
        "parquet cut short",
        damaged_parquet(lambda content: content[:-40]),
        ("x.parquet is not a readable Parquet file",),
    ),
    BadCommand(
        "parquet with a broken page",
        damaged_parquet(lambda content: content[:8] + b"\xff" * 90 + content[98:]),
        ("x.parquet is not a readable Parquet file",),
    ),
    BadCommand("parquet without images", parquet(lambda columns: {"label": columns["label"]}), ("no column 'image'",)),
    BadCommand(
        "parquet with words for images",
        parquet(lambda columns: columns | {"image": ["a"] * 8}),
        ("encoded bytes", "string"),
    ),
    BadCommand(
        "parquet without an image",
        parquet(lambda columns: columns | {"image": [None, *columns["image"][1:]]}),
        ("no image bytes in row 0",),
    ),
    BadCommand(
        "parquet with a broken image",
        parquet(lambda columns: columns | {"image": [b"no", *columns["image"][1:]]}),
        ("x.parquet row 0", "not a readable image"),
    ),
    BadCommand(
        "parquet with labels of fractions",
        parquet(lambda columns: columns | {"label": [0.5] * 8}),
        ("integer or string labels", "double"),
    ),
    BadCommand(
        "parquet with a missing label",
        parquet(lambda columns: columns | {"label": [0, 1, None, 1, 0, 1, 0, 1]}),
        ("no label in row 2",),
    ),
    BadCommand(
        "parquet with lists for labels", parquet(lambda columns: columns | {"label": [[0]] * 8}), ("labels", "list")
    ),
    BadCommand(
        "parquet with a label that the schema has no name for",
        parquet(
            lambda columns: pa.table(columns).replace_schema_metadata(
                {"huggingface": '{"info": {"features": {"label": {"names": ["cat"]}}}}'}
            )
        ),
        ("label 1 in row 1", "names 1 classes"),
    ),
    BadCommand(
        "parquet with metadata that is no json",
        parquet(
            lambda columns: pa.table(columns | {"label": [-1, 1, 2, 3] * 2}).replace_schema_metadata(
                {"huggingface": "["}
            )
        ),
        ("label -1",),
    ),
    # Images.
    BadCommand(
        "image cut short",
        photos(lambda path: (path / "cat/0.png").write_bytes(picture()[:90])),
        ("0.png is not a readable image",),
    ),
    BadCommand(
        "image of a web page",
        photos(lambda path: (path / "cat/0.png").write_text("<html>")),
        ("0.png is not a readable image",),
    ),
    BadCommand(
        "image that is empty",
        photos(lambda path: (path / "cat/0.png").write_bytes(b"")),
        ("0.png is not a readable image",),
    ),
    BadCommand(
        "image of four billion pixels by its header",
        photos(lambda path: (path / "cat/0.png").write_bytes(png(60000, 60000))),
        ("0.png", "134,217,728 pixels"),
    ),
    BadCommand(
        "image of no pixels",
        photos(lambda path: (path / "cat/0.png").write_bytes(png(0, 0))),
        ("0.png is not a readable image",),
    ),
    BadCommand(
        "image that is a program for a printer",
        photos(lambda path: (path / "cat/0.png").write_bytes(POSTSCRIPT)),
        ("0.png is not a readable image",),
    ),
    BadCommand(
        "image of sixteen bits",
        photos(lambda path: Image.fromarray(np.zeros((9, 9), np.uint16)).save(path / "cat/0.png")),
        ("0.png has more than 8 bits a channel",),
    ),
    BadCommand(
        "folder of one class",
        photos(lambda path: [f.unlink() for f in (path / "dog").iterdir()] and (path / "dog").rmdir()),
        ("at least two; it has 1",),
    ),
    BadCommand("folder with an empty class", photos(lambda path: (path / "cow").mkdir()), ("cow holds no images",)),
    BadCommand(
        "folder of links to itself",
        photos(lambda path: ((path / "cow").mkdir(), (path / "cow/cow").symlink_to(path))),
        ("cow holds no images",),
    ),
    BadCommand(
        "file in place of a folder",
        photos(lambda path: [path.rename(path.with_name("old")), path.write_text("")]),
        ("photos must hold one folder",),
    ),
    # Lists of images.
    BadCommand("list that is empty", listed("\n\n"), ("list.txt lists no images",)),
    BadCommand(
        "list in utf-16", listed("x.png 0\ny.png 1\n".encode("utf-16")), ("list.txt is not a readable text file",)
    ),
    BadCommand("list without labels", listed("x.png\ny.png\n"), ("no path and label in line 1",)),
    BadCommand(
        "list of an image that is not there", listed("x.png 0\nz.png 1\n" * 2), ("there is no image", "z.png", "line")
    ),
    BadCommand("list with a null byte in a path", listed("x.png 0\n\0.png 1\n" * 2), ("list.txt",)),
    BadCommand("list of a pipe", listed("x.png 0\npipe.png 1\n" * 2), ("pipe.png",)),
    BadCommand(
        "list of a path of five thousand letters", listed(f"x.png 0\n{'a' * 5000} 1\n" * 2), ("there is no image",)
    ),
    BadCommand("list of negative labels", listed("x.png 0\ny.png -3\n" * 2), ("label -3 in row 1",)),
    BadCommand(
        "list cut to more than there is",
        lambda folder: [*listed("x.png 0\ny.png 1\n" * 2)(folder), "--set", "data.source.resize=4"],
        ("resize must be at least image_size=8, got 4",),
    ),
    BadCommand("list directory", file("list.txt", _make_directory), ("list.txt",)),
    # Files of well-known data sets.
    BadCommand(
        "mnist of a shape beyond its bytes",
        mnist(idx(60000, 28, 28), idx(2, content=b"01")),
        ("train-images-idx3-ubyte.gz", "47040000"),
    ),
    BadCommand(
        "mnist of ten to the eighteenth pixels",
        mnist(idx(2**20, 2**20, 2**20), idx(2**20)),
        ("train-", "its header says"),
    ),
    BadCommand("mnist of no images", mnist(idx(0, 28, 28), idx(0)), ("at least one sample",)),
    BadCommand("mnist that is plain inside of gzip", mnist(b"hello", b"hello"), ("does not start as an idx file",)),
    BadCommand(
        "cifar without its batches",
        cifar(("readme.html", b"", tarfile.REGTYPE)),
        ("cifar-10-binary.tar.gz has no cifar-10-batches-bin/data_batch_1.bin",),
    ),
    BadCommand(
        "cifar of links",
        cifar(*((f"cifar-10-batches-bin/data_batch_{n}.bin", b"", tarfile.SYMTYPE) for n in range(1, 6))),
        ("has no cifar-10-batches-bin/data_batch_1.bin",),
    ),
    BadCommand(
        "cifar of a label out of range",
        cifar(
            *((f"cifar-10-batches-bin/data_batch_{n}.bin", b"\x63" + bytes(3072), tarfile.REGTYPE) for n in range(1, 6))
        ),
        ("data_batch_1.bin", "99 in row 0"),
    ),
    BadCommand(
        "cifar that is no archive",
        lambda folder: (
            (cifar()(folder), (folder / "cifar10/cifar-10-binary.tar.gz").write_bytes(gzip.compress(b"no")))
            and trained_on("name: cifar10")
        ),
        ("cifar-10-binary.tar.gz cannot be read",),
    ),
    BadCommand(
        "svhn of another shape",
        svhn(lambda path: scipy.io.savemat(path, {"X": DIGITS[:16], "y": np.ones((20, 1))})),
        ("X of uint8 (32, 32, 3, N)",),
    ),
    BadCommand(
        "svhn of cells",
        svhn(lambda path: scipy.io.savemat(path, {"X": DIGITS, "y": np.array([object] * 20)})),
        ("train_32x32.mat",),
    ),
    BadCommand(
        "svhn of a label out of range",
        svhn(lambda path: scipy.io.savemat(path, {"X": DIGITS, "y": np.full((20, 1), 11)})),
        ("label 11 in row 0",),
    ),
    BadCommand(
        "svhn of fewer labels",
        svhn(lambda path: scipy.io.savemat(path, {"X": DIGITS, "y": np.ones((3, 1))})),
        ("20 and 3",),
    ),
    BadCommand(
        "svhn cut short",
        svhn(
            lambda path: (
                scipy.io.savemat(path, {"X": DIGITS, "y": np.ones((20, 1))}),
                path.write_bytes(path.read_bytes()[:5000]),
            )
        ),
        ("train_32x32.mat must hold y", "fetch it anew"),
    ),
    BadCommand(
        "svhn of version 7.3",
        svhn(lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\0\x02IM" + bytes(900))),
        ("not a readable MATLAB 5 file",),
    ),
)
