"""The counts of classes drawn with characters."""

from __future__ import annotations

from tailwise.counts import ClassCounts
from tailwise.data.profiles import exponential_counts
from tailwise.inspection.picture import counts_picture


def test_bars_are_as_long_as_the_counts_and_in_their_order() -> None:
    text = counts_picture(ClassCounts([20, 160, 4, 0]), ("b", "a", "a rather long name of a class", "none"))
    lines = text.plain.splitlines()
    assert [line.split()[0] for line in lines] == ["a", "b", "a", "none"]
    assert [line.count("█") for line in lines] == [40, 5, 1, 0]
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["160", "20", "4", "0"]
    assert "a rather long name of a…" in lines[2]
    styles = [str(span.style) for span in text.spans]
    assert styles[:3] == ["green", "yellow", "red"]


def test_many_classes_are_a_falling_curve() -> None:
    counts = exponential_counts(1000, 5000, 1000)
    *curve, foot = counts_picture(counts, tuple(map(str, range(1000)))).plain.splitlines()
    assert len(curve) == 8
    assert "1000 classes, the most frequent on the left" in foot
    filled = [line[6:].rstrip() for line in curve]
    assert [len(line) for line in filled] == sorted(len(line) for line in filled)
    assert len(filled[-1]) == 60
    assert int(curve[0].split()[0].replace(",", "")) <= 5000
