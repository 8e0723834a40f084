from __future__ import annotations

import pytest

from mersearch.durations import seconds
from mersearch.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90m", 90 * 60), ("3h50m", 3 * 3600 + 50 * 60), ("1d12h", 36 * 3600), ("1.5h", 5400), ("20s", 20)],
)
def test_a_time_is_the_sum_of_its_units(text: str, expected: float) -> None:
    assert seconds("k", text) == expected


@pytest.mark.parametrize("text", ["", "90", "3:50:00", "0h", "3h 50m", "50m3h", "1h1h", "-1h", "2w"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="key must be a time above 0 with its units") as error:
        seconds("key", text)
    assert (error.value.received, error.value.fix) == (repr(text), "as in key=3h50m")


def test_more_than_a_hundred_years_is_refused() -> None:
    assert seconds("key", "36500d") == 36500 * 86400
    for text in ("36500d1s", "5000000h", f"{'9' * 400}d"):
        with pytest.raises(ConfigError, match="key must be 36500d at the most") as error:
            seconds("key", text)
        assert error.value.received == repr(text)
