from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from mersearch.student import probability, quantile


@given(t=st.floats(-60, 60), freedom=st.integers(1, 120))
def test_the_probability_is_that_of_scipy(t: float, freedom: int) -> None:
    assert probability(t, freedom) == pytest.approx(student.cdf(t, freedom), abs=1e-13)


@given(chance=st.floats(0.001, 0.999), freedom=st.integers(1, 120))
def test_the_quantile_is_that_of_scipy(chance: float, freedom: int) -> None:
    assert quantile(chance, freedom) == pytest.approx(student.ppf(chance, freedom), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("chance", "freedom"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_a_quantile_needs_a_chance_inside_and_a_degree_of_freedom(chance: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="at least one degree of freedom"):
        quantile(chance, freedom)
