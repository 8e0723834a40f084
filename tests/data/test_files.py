"""Frame numbers, gaps, and errors shown together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mersearch.data.files import (
    ABOUT,
    LARGEST_GAP,
    grouped,
    holds_synthetic,
    nearby,
    numbered,
    raise_clip_errors,
    span,
)
from mersearch.data.table import Note
from mersearch.errors import DataError

PATTERN = re.compile(r"img(?P<number>\d+)\.jpg")


@given(numbers=st.lists(st.integers(0, 10**6), unique=True, max_size=12), width=st.integers(0, 7))
def test_frames_come_in_the_order_of_their_numbers(tmp_path_factory, numbers, width):
    folder = tmp_path_factory.mktemp("frames")
    for number in numbers:
        (folder / f"img{number:0{width}d}.jpg").touch()
    assert list(numbered(folder, PATTERN)) == sorted(numbers)


@given(first=st.integers(0, 300), length=st.integers(1, 120), data=st.data())
def test_a_span_has_one_path_per_frame_number_or_is_an_error(first, length, data):
    last = first + length - 1
    missing = data.draw(st.sets(st.integers(first, last), max_size=10))
    apex = data.draw(st.integers(first, last))
    frames = {n: Path(str(n)) for n in range(first - 3, last + 4) if n not in missing}
    if missing & {first, apex, last} or len(missing) > LARGEST_GAP * length:
        with pytest.raises(DataError, match=f"{len(missing)} missing"):
            span(frames, first, last, (first, apex, last))
        return
    paths, told = span(frames, first, last, (first, apex, last))
    assert bool(told) == bool(missing)
    for number, path in zip(range(first, last + 1), paths, strict=True):
        distances = {n: abs(n - number) for n in frames if first <= n <= last}
        assert distances[int(path.name)] == min(distances.values())
        assert number in missing or int(path.name) == number


def test_no_errors_raise_nothing():
    raise_clip_errors("CK+", [])


def test_notes_are_grouped_by_reason_most_frequent_first():
    notes = [Note("a", "rare"), Note("b", "often"), Note("c", "often")]
    assert list(grouped(notes).items()) == [("often", ["b", "c"]), ("rare", ["a"])]


def test_a_database_is_synthetic_wherever_a_reader_finds_it_below_its_root(tmp_path: Path) -> None:
    for place in ("a/b/c/d", ".hidden/b"):
        (about := tmp_path / place / ABOUT).parent.mkdir(parents=True)
        about.write_text("{}")
    for root in (tmp_path, *(tmp_path / path for path in ("a", "a/b", "a/b/c", "a/b/c/d"))):
        assert holds_synthetic(root) == any((folder / ABOUT).is_file() for folder in nearby(root))
    found = [
        holds_synthetic(tmp_path / path) for path in (".", "a", "a/b", "a/b/c/d", "nowhere", ".hidden/b")
    ]
    assert found == [False, False, True, True, False, True]
    (table := tmp_path / "a/b/c/d/manifest.csv").touch()
    assert holds_synthetic(table)
