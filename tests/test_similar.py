from __future__ import annotations

from pathlib import Path

import pytest

from mersearch.similar import did_you_mean, similar


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    for name in ("CASME2/Cropped", "SAMM", "Bjo\u0308rn"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "CASME2/labels.xlsx").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("CASME", "CASME2"),
        ("casme2/Cropped", "CASME2/Cropped"),
        ("CASMEII/labels.xlsx", "CASME2/labels.xlsx"),
        ("CASME2/lables.xlsx", "CASME2/labels.xlsx"),
        ("CASMEII/gone", "CASME2"),
        ("./SAM/../SAMN", "SAMM"),
        ("entirely", None),
        ("SAMM/anything", None),
    ],
)
def test_the_first_part_that_is_missing_is_replaced_by_the_most_similar_name(
    disk: Path, typed: str, meant: str | None
) -> None:
    assert similar(disk / typed) == (disk / meant if meant else None)
    assert did_you_mean(disk / typed) == (f"did you mean {disk / meant}? " if meant else "")


def test_a_name_that_only_looks_the_same_is_spelled_out(disk: Path) -> None:
    assert "other code points: 'Bjo\\u0308rn'; " in did_you_mean(disk / "Bj\u00f6rn" / "x")
