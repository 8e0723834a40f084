from __future__ import annotations

from itertools import pairwise

import pytest

from mersearch.errors import ClusterError
from mersearch.search.packing import (
    GIB,
    MOST,
    ROOM,
    SPARE,
    Card,
    Memory,
    free_cards,
    larger,
    part,
    read_cards,
    share,
)


@pytest.mark.parametrize("peak", [0.3, 1.0, 2.5, 7.0, 11.0, 23.0, 40.0, 79.0])
@pytest.mark.parametrize("card", [8, 24, 80])
def test_as_many_trials_share_a_card_as_fit_into_it_with_room_to_spare_and_no_more(
    peak: float, card: int
) -> None:
    trials = Memory(int(peak * GIB), card * GIB).trials
    budget = card * (1 - SPARE)
    assert trials <= MOST
    assert trials * peak * ROOM <= budget + 1e-6
    assert trials == MOST or (trials + 1) * peak * ROOM > budget - 1e-6


def test_no_more_trials_share_a_card_than_there_are_cores_for_and_never_fewer_than_one() -> None:
    small, large = Memory(GIB, 80 * GIB), Memory(79 * GIB, 80 * GIB)
    assert share(small, cpus=1, cores=64, cards=1) == part(MOST)
    assert share(small, cpus=4, cores=16, cards=2) == part(2)
    assert share(small, cpus=4, cores=2, cards=1) == 1
    assert share(large, cpus=1, cores=64, cards=1) == 1


@pytest.mark.parametrize("trials", range(1, 9))
def test_after_its_memory_was_exhausted_a_card_is_shared_by_at_most_half_as_many_until_it_is_one(
    trials: int,
) -> None:
    gpus: float | None = part(trials)
    seen = []
    while gpus is not None:
        seen.append(int(1 / gpus + 1e-9))
        gpus = larger(gpus)
    assert seen[0] == trials
    assert seen[-1] == 1
    assert all(after <= before / 2 for before, after in pairwise(seen))


@pytest.mark.parametrize("trials", range(1, MOST + 1))
def test_the_parts_of_a_card_fit_into_it_as_ray_counts_them(trials: int) -> None:
    units = round(part(trials) * 10_000)
    assert units * trials <= 10_000 < units * (trials + 1)


BUSY = "0, 3, 81559\n1, 60000, 81559\n2, 5, 81559\n"


def test_cards_that_others_use_are_left_alone() -> None:
    cards = read_cards(BUSY)
    assert [card.index for card in cards] == [0, 1, 2]
    assert free_cards(cards, None) == [0, 2]
    assert free_cards(cards[:1], None) is None, "all are free: nothing needs to be said"
    assert free_cards([], None) is None


def test_a_card_that_is_named_is_taken_also_where_others_use_it() -> None:
    assert free_cards(read_cards(BUSY), "1") is None


def test_where_others_use_every_card_that_is_said_with_how_much() -> None:
    with pytest.raises(
        ClusterError, match=r"card 0 20\.0 of 80 GiB, card 3 79\.5 of 80 GiB\n.*CUDA_VISIBLE_DEVICES=0"
    ):
        free_cards([Card(0, 20, 80), Card(3, 79.5, 80)], None)


def test_what_is_no_card_in_the_answer_of_the_driver_is_left_out() -> None:
    assert read_cards("No devices were found\n0, [N/A], 81559\n") == []
