"""Who shows what: skew over classes and subjects, without painting a face."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from mersearch.data.synthetic import casme2, ckplus, labels, mmew, population, samm, smic
from mersearch.data.synthetic.layouts import LAYOUTS
from mersearch.data.synthetic.plan import ClipPlan, Order

LAYOUTS_WITH_CENSUS = {"casme2": casme2, "samm": samm, "mmew": mmew, "smic": smic}
FIVE = ("happiness", "disgust", "repression", "surprise", "others")


def order(subjects: int, seed: int, clips: int | None = None, difficulty: float = 1.0) -> Order:
    return Order(subjects, clips, seed, difficulty, quirks=True, size=1.0)


def test_casme2_sizes_are_as_skewed_as_the_real_ones() -> None:
    clips = casme2.plan(order(26, 0))
    sizes = Counter(clip.subject for clip in clips)
    assert len(sizes) == 26
    assert 8.5 <= len(clips) / 26 <= 10.5
    assert min(sizes.values()) == 2
    assert 25 <= max(sizes.values()) <= 35


def test_casme2_classes_keep_the_real_proportions() -> None:
    clips = casme2.plan(order(26, 0))
    counts = Counter(clip.emotion for clip in clips)
    for name, real in labels.CASME2_COUNTS.items():
        assert abs(counts[name] - real / 255 * len(clips)) <= 1.5


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("subjects", [4, 8])
def test_every_scored_class_reaches_two_subjects(subjects: int, seed: int) -> None:
    who: dict[str | None, set[str]] = {}
    for clip in casme2.plan(order(subjects, seed)):
        who.setdefault(clip.emotion, set()).add(clip.subject)
    assert all(len(who[name]) >= 2 for name in FIVE)
    assert "sadness" in who


def test_names_are_unique_and_frames_do_not_collide() -> None:
    for layout in LAYOUTS.values():
        clips = layout.plan(dataclasses.replace(order(20, 1), release=layout.releases[0]))
        paths = [path for clip in clips for path in clip.paths]
        assert len({clip.key for clip in clips}) == len(clips)
        assert len(set(paths)) == len(paths)


def test_no_clip_bears_the_name_of_a_real_clip_that_needs_a_repair() -> None:
    real = {"05/EP09_05f", "05/EP16_04f", "09/EP02_02f", "24/EP02_07", "16/EP01_08"}
    for seed in range(5):
        assert not real & {clip.key for clip in casme2.plan(order(26, seed))}


@pytest.mark.parametrize("layout", ["casme2", "samm", "mmew", "smic"])
@pytest.mark.parametrize("seed", range(4))
def test_the_published_size_has_the_published_counts_whoever_has_the_clips(layout: str, seed: int) -> None:
    census = LAYOUTS_WITH_CENSUS[layout].CENSUS
    full = Order(0, None, seed, 1.0, quirks=True, size=1.0, full=True)
    given = census.given(full)
    assert Counter(name for mine in given.values() for name in mine) == census.counts
    assert list(given) == census.people(len(census.numbers))
    assert all(given.values())
    outside = {who for who, mine in given.items() if not set(mine) & set(census.core)}
    assert outside == {who for who, has in census.known.items() if not set(has) & set(census.core)}


def test_more_people_than_a_database_has_get_new_numbers() -> None:
    assert samm.CENSUS.people(31)[-3:] == ["037", "038", "039"]
    assert smic.CENSUS.people(3) == ["s1", "s2", "s3"]


def test_the_classes_of_ckplus_and_its_unlabelled_share_are_the_real_ones() -> None:
    clips = ckplus.plan(order(123, 0))
    assert 4.3 <= len(clips) / 123 <= 5.3
    named = Counter(clip.emotion for clip in clips if clip.emotion is not None)
    labelled = sum(named.values())
    assert labelled == round(0.55 * len(clips))
    for name, real in labels.CKPLUS_COUNTS.items():
        assert abs(named[name] - real / 327 * labelled) <= 1.5


def test_action_unit_4_is_shared_by_disgust_and_others_as_in_casme2() -> None:
    def share(emotion: str) -> float:
        weights = labels.CASME2_UNITS[emotion]
        having = sum(w for cell, w in weights.items() if 4 in {number for number, _ in labels.sides(cell)})
        return having / sum(weights.values())

    assert share("disgust") == pytest.approx(59 / 63, abs=0.06)
    assert share("others") == pytest.approx(67 / 99, abs=0.06)


def test_motion_falls_and_unrest_grows_with_difficulty() -> None:
    easy, hard = (casme2.plan(order(6, 0, difficulty=d)) for d in (0.5, 2.0))
    for a, b in zip(easy, hard, strict=True):
        assert [u.number for u in a.units] == [u.number for u in b.units]
        assert all(u.amplitude >= v.amplitude for u, v in zip(a.units, b.units, strict=True))
        assert all(u.amplitude <= v.amplitude for u, v in zip(a.incidental, b.incidental, strict=True))


def test_a_habit_stays_with_its_person_over_all_clips_and_changes_nothing_else() -> None:
    plain, habits = (micro_plan(0.0), micro_plan(1.0))
    assert [dataclasses.replace(clip, habitual=()) for clip in habits] == list(plain)
    by_person: dict[str, set[tuple[tuple[int, str], ...]]] = {}
    for clip in habits:
        by_person.setdefault(clip.subject, set()).add(tuple((u.number, u.side) for u in clip.habitual))
    assert {len(own) for own in by_person.values()} == {1}
    assert len({next(iter(own)) for own in by_person.values()}) == len(by_person)


def micro_plan(habits: float) -> tuple[ClipPlan, ...]:
    return casme2.plan(dataclasses.replace(order(6, 0), habits=habits))


def test_largest_remainder_is_within_one_of_the_exact_share() -> None:
    rng = np.random.default_rng(0)
    for total in (0, 1, 7, 100):
        weights = rng.random(6)
        parts = population.largest_remainder(weights, total)
        assert parts.sum() == total
        assert (np.abs(parts - weights / weights.sum() * total) < 1).all()


def test_assignment_keeps_both_margins() -> None:
    rng = np.random.default_rng(0)
    given = population.assign([5, 2, 3], {"a": 6, "b": 3, "c": 1}, ("b",), 0.5, rng)
    assert [len(mine) for mine in given] == [5, 2, 3]
    assert Counter(name for mine in given for name in mine) == {"a": 6, "b": 3, "c": 1}
    assert sum("b" in mine for mine in given) >= 2


def test_a_cell_names_numbers_and_sides() -> None:
    assert labels.sides("4+L10") == [(4, "both"), (10, "left")]
    assert labels.sides("R1+R2") == [(1, "right"), (2, "right")]
