"""The gradient view as a file: a PNG that opens, an SVG that names what it shows, the same bytes again."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from svg_texts import svg_texts
from tailwise.errors import InputError
from tailwise.losses import LOSSES
from tailwise.report.loss_curves import loss_curves
from tailwise.report.loss_figure import write_loss_figure

NAMES = ["gppe", "sgpl", "focal", "ce", "asl", "balanced_softmax", "gala", "dice"]


def written(path: Path, names: list[str] = NAMES, counts: tuple[int, ...] = (1000, 50)) -> Path:
    write_loss_figure(path, loss_curves(names, counts), counts)
    return path


def test_png_opens_and_is_not_blank(tmp_path: Path) -> None:
    path = written(tmp_path / "view.png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    with Image.open(path) as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(maxcolors=2**20)) > len(NAMES)


def test_svg_names_every_loss_both_classes_and_what_was_assumed(tmp_path: Path) -> None:
    texts = svg_texts(written(tmp_path / "view.svg", counts=(20, 1000, 3)))
    assert all(any(text.split(" (")[0] == name for text in texts) for name in NAMES)
    assert "minority: class 2, 3 samples" in texts
    assert "majority: class 1, 1,000 samples" in texts
    everything = " ".join(texts)
    assert "∂L / ∂z_y (negative: training raises z_y)" in " ".join(everything.split())
    assert "gala: state θ = φ = class counts" in everything
    assert "dice: a loss of a whole batch" in everything


def test_losses_that_lie_on_one_another_are_named(tmp_path: Path) -> None:
    texts = " ".join(svg_texts(written(tmp_path / "view.svg", ["gppe", "ce", "bs", "la"])))
    assert "in the minority gppe = ce, bs = la; in the majority bs = la" in texts
    assert "ce (both classes alike)" in texts
    assert "gppe (both classes alike)" not in texts


def test_same_curves_give_the_same_svg(tmp_path: Path) -> None:
    assert written(tmp_path / "a.svg").read_bytes() == written(tmp_path / "b.svg").read_bytes()


def test_settings_of_the_user_do_not_reach_the_figure(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.svg").read_bytes()
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30.0}):
        assert written(tmp_path / "b.svg").read_bytes() == plain


def test_more_losses_than_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tells 10 losses apart, got 11"):
        written(tmp_path / "view.png", sorted(LOSSES)[:11])
    assert not list(tmp_path.iterdir())
