"""The critical-difference diagram: what it says, that its labels are apart, that it is where the ranks are."""

from __future__ import annotations

import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from run_cases import run_of
from svg_texts import svg_texts
from tailwise.errors import InputError
from tailwise.report.ranking import Ranking, rank
from tailwise.report.ranking_figure import BAR_COLOUR, PairwiseTest, ranking_figure, write_ranking_figure


def ranking_of(num_methods: int, num_blocks: int, spread: float = 1.0, tied: bool = False) -> Ranking:
    """Blocks are recipes; the larger the spread, the more the methods differ. ``tied`` makes the methods equal."""
    rng = np.random.default_rng(num_methods)
    strengths = spread * rng.permutation(num_methods)
    runs = [
        run_of(
            f"data-{block}",
            f"method-{number}{'-with-a-long-name' * (number % 5 == 0)}",
            0,
            0.5 if tied else float(strength + rng.normal()),
        )
        for block in range(num_blocks)
        for number, strength in enumerate(strengths)
    ]
    return rank(runs, unit="recipe")


def texts_and_boxes(figure: Figure) -> dict[str, Bbox]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = figure.axes[0].texts
    assert len({text.get_text() for text in texts}) == len(texts)
    return {text.get_text(): text.get_window_extent(renderer) for text in texts}


def bars(figure: Figure) -> list[tuple[float, float, float]]:
    """Start, end and height of each bar."""
    lines = [line for line in figure.axes[0].lines if to_rgba(line.get_color()) == to_rgba(BAR_COLOUR)]
    return [(*map(float, line.get_xdata()), float(line.get_ydata()[0])) for line in lines]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("num_methods", [3, 5, 27, 40])
def test_no_two_texts_overlap_and_all_are_inside(num_methods: int, tied: bool) -> None:
    figure = ranking_figure(ranking_of(num_methods, 12, 0.2, tied))
    boxes = texts_and_boxes(figure)
    for (one, box), (other, other_box) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(other_box), (one, other)
    for text, box in boxes.items():
        assert figure.bbox.contains(box.x0, box.y0), text
        assert figure.bbox.contains(box.x1, box.y1), text


@pytest.mark.parametrize("num_methods", [3, 5, 27, 40])
def test_every_method_stands_beside_its_average_rank(num_methods: int, tmp_path: Path) -> None:
    ranking = ranking_of(num_methods, 12)
    write_ranking_figure(tmp_path / "ranks.svg", ranking)
    texts = svg_texts(tmp_path / "ranks.svg")
    for place, (method, average) in enumerate(ranking.average_ranks.items()):
        on_the_left = place < (num_methods + 1) // 2
        assert (f"{method}  {average:.2f}" if on_the_left else f"{average:.2f}  {method}") in texts
    assert f"Average ranks of {num_methods} methods by balanced accuracy" in texts
    assert f"critical difference {ranking.critical_difference:.2f}" in texts
    caption = " ".join(texts[-5:])
    assert "12 blocks, one for each recipe: means over 1 seed." in caption
    assert "the methods do not all rank alike" in caption
    assert "Rank 1 is the best." in caption


@pytest.mark.parametrize("test", ["nemenyi", "wilcoxon"])
def test_bars_lie_on_the_groups_and_apart_from_each_other(test: PairwiseTest) -> None:
    ranking = ranking_of(8, 20, 0.3)
    groups = ranking.nemenyi_groups if test == "nemenyi" else ranking.wilcoxon_groups
    assert groups
    figure = ranking_figure(ranking, test)
    ticks = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts if text.get_text().isdigit()}
    inches = (ticks["8"] - ticks["1"]) / 7
    drawn = bars(figure)
    assert len(drawn) == len(groups)
    for (start, end, _), group in zip(drawn, groups, strict=True):
        ends = [ticks["1"] + inches * (ranking.average_ranks[method] - 1) for method in (group[0], group[-1])]
        assert (start, end) == pytest.approx(ends, abs=0.05)
    for one, other in itertools.combinations(drawn, 2):
        assert one[2] != other[2] or one[1] < other[0]


def test_ruler_is_as_long_as_the_critical_difference_on_the_axis() -> None:
    ranking = ranking_of(5, 12)
    axes = ranking_figure(ranking).axes[0]
    ticks = {text.get_text(): text.get_position()[0] for text in axes.texts if text.get_text().isdigit()}
    expected = ranking.critical_difference * (ticks["2"] - ticks["1"])
    lengths = [float(np.ptp(line.get_xdata())) for line in axes.lines]
    assert any(length == pytest.approx(expected) for length in lengths)


def test_critical_difference_longer_than_the_axis_is_said_to_be_so() -> None:
    texts = texts_and_boxes(ranking_figure(ranking_of(27, 2, 50.0)))
    assert "critical difference 29.34, longer than the axis" in texts


def test_no_ruler_where_friedmans_test_finds_no_difference() -> None:
    figure = ranking_figure(ranking_of(4, 8, tied=True))
    texts = texts_and_boxes(figure)
    assert not any(text.startswith("critical difference") for text in texts)
    assert "The bar joins them all. Rank 1 is the best." in texts
    assert len(bars(figure)) == 1


def test_figure_without_bars_says_so() -> None:
    figure = ranking_figure(ranking_of(4, 12, 100.0), "wilcoxon")
    assert not bars(figure)
    assert any(text.startswith("No bars: between no two neighbours") for text in texts_and_boxes(figure))


def test_signed_rank_tests_of_too_few_blocks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"at least 9 blocks for 5 methods, got 8; add data sets .* --test nemenyi"):
        write_ranking_figure(tmp_path / "ranks.svg", ranking_of(5, 8), "wilcoxon")
    assert not list(tmp_path.iterdir())


def test_png_opens_and_is_not_blank(tmp_path: Path) -> None:
    write_ranking_figure(tmp_path / "ranks.png", ranking_of(5, 12))
    with Image.open(tmp_path / "ranks.png") as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(maxcolors=2**20)) > 3


def test_same_ranking_gives_the_same_svg_whatever_the_settings_of_the_user(tmp_path: Path) -> None:
    write_ranking_figure(tmp_path / "a.svg", ranking_of(5, 12))
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30.0}):
        write_ranking_figure(tmp_path / "b.svg", ranking_of(5, 12))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_ending_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"written as \.png or \.svg, got .*ranks\.pdf"):
        write_ranking_figure(tmp_path / "ranks.pdf", ranking_of(5, 12))
