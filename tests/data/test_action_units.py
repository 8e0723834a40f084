"""The coders' notation, and the map of facial regions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mersearch.data.action_units import ACTION_UNITS, columns, parse, regions
from mersearch.data.synthetic.identity import draw
from mersearch.data.synthetic.motion import Unit, forward
from mersearch.errors import DataError


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("4+L10", (4, 10)),
        ("L2+26+38", (2, 26, 38)),
        ("R1+R2", (1, 2)),
        ("12", (12,)),
        ("(R6 or R12)+R15", (6, 12, 15)),
        ("L12 or L14", (12, 14)),
        ("10A/B", (10,)),
        ("10A/B+L4c", (4, 10)),
        ("15A+17", (15, 17)),
        ("L12/R14", (12, 14)),
        ("AU4, AU7", (4, 7)),
        ("4+4+L4", (4,)),
        (" 7 + 4 ", (4, 7)),
        ("12?", (12,)),
    ],
)
def test_the_notations_of_the_databases_are_read(text, units):
    assert parse(text) == units


@pytest.mark.parametrize("text", ["?", "", "  ", None, "/", "-"])
def test_not_annotated_is_none(text):
    assert parse(text) is None


@pytest.mark.parametrize("text", ["4+lips", "x", "1000", "4A5", "+", "4;;x"])
def test_other_text_is_an_error_that_shows_it(text):
    with pytest.raises(DataError, match=r"FACS numbers joined by \+") as raised:
        parse(text)
    assert repr(text) in str(raised.value)


@st.composite
def annotations(draw_from):
    """A text, and the numbers that were put into it."""
    numbers = draw_from(st.lists(st.integers(1, 99), min_size=1, max_size=6))
    text = ""
    for i, number in enumerate(numbers):
        side = draw_from(st.sampled_from(["", "L", "R", "l", "r", "AU"]))
        intensity = draw_from(st.sampled_from(["", "A", "B", "e", "A/B"]))
        joint = draw_from(st.sampled_from(["+", " + ", " or ", "/", ", "])) if i else ""
        text += f"{joint}{side}{number}{intensity}"
    return text, tuple(sorted(set(numbers)))


@given(annotations())
def test_every_well_formed_annotation_gives_its_numbers_back(pair):
    text, numbers = pair
    assert parse(text) == numbers
    assert parse(f"({text})") == numbers


@given(st.text(max_size=12))
def test_any_text_is_parsed_or_refused(text):
    try:
        units = parse(text)
    except DataError:
        return
    assert units is None or (units == tuple(sorted(set(units))) and units)


def test_columns_mark_known_units_and_skip_the_others():
    shown = columns((4, 10, 38))
    assert [unit for unit, on in zip(ACTION_UNITS, shown, strict=True) if on] == [4, 10]
    assert not columns(None).any()
    assert shown.dtype == np.bool_


@pytest.mark.parametrize("size", [7, 14, 28])
def test_regions_are_soft_mirrored_and_small(size):
    maps = regions(size)
    assert maps.shape == (len(ACTION_UNITS), size, size)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    np.testing.assert_array_equal(maps.max((1, 2)), 1)
    np.testing.assert_allclose(maps, maps[:, :, ::-1], atol=1e-6)
    assert (maps.mean((1, 2)) <= 0.35).all()
    assert (maps.max(0) > 0.5).mean() < 0.75


def test_regions_have_no_hard_edge():
    maps = regions(56)
    steps = max(np.abs(np.diff(maps, axis=axis)).max() for axis in (1, 2))
    assert steps < 0.6


def test_regions_lie_where_the_anatomy_says():
    centre = (np.arange(28) + 0.5) / 28
    maps = regions(28)
    height = {unit: (m.sum(1) * centre).sum() / m.sum() for unit, m in zip(ACTION_UNITS, maps, strict=True)}
    assert max(height[u] for u in (1, 2, 4)) < height[5] < height[7] < height[6] < height[10]
    assert height[10] < min(height[u] for u in (14, 15, 20, 23, 24, 25)) < height[17]
    inner, outer = (maps[ACTION_UNITS.index(unit)][:, :14].sum(0) for unit in (1, 2))
    assert (inner * centre[:14]).sum() / inner.sum() > (outer * centre[:14]).sum() / outer.sum()


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_the_motion_of_a_synthetic_unit_falls_inside_its_region(unit):
    region = regions(56)[ACTION_UNITS.index(unit)] > 0.3
    shares = []
    for k in range(4):
        u, v = forward(draw("casme2", f"{k:02d}", 0), [Unit(unit, "both", 1.5)], 56)
        energy = u**2 + v**2
        shares.append(energy[region].sum() / energy.sum())
    assert min(shares) > 3 * region.mean()
    assert np.mean(shares) > 0.75
