from __future__ import annotations

import pytest

from mersearch.errors import ClusterError
from mersearch.search.slots import Node, Slots, cluster_slots, local_slots


@pytest.mark.parametrize(("cores", "cpus", "count"), [(8, 1, 8), (8, 3, 2), (2, 4, 1), (8, 0.5, 16)])
def test_without_cards_a_machine_runs_as_many_trials_as_its_cores_hold_and_at_least_one(
    cores: int, cpus: float, count: int
) -> None:
    assert local_slots(cpus, "auto", "auto", cores=cores, cards=0) == Slots(count, cpus, 0.0)


@pytest.mark.parametrize(
    ("gpus", "count", "each"), [("auto", 4, 1.0), (1, 4, 1.0), (2, 2, 2.0), (0.5, 8, 0.5), (0.3, 12, 0.3)]
)
def test_four_cards_run_four_trials_by_default_and_as_many_as_fit_otherwise(
    gpus: float, count: int, each: float
) -> None:
    assert local_slots(1, gpus, "auto", cores=2, cards=4) == Slots(count, 1, each)


def test_a_given_concurrency_counts_but_never_exceeds_the_cards() -> None:
    assert local_slots(1, 0, 5, cores=2, cards=0).count == 5
    assert local_slots(1, 1, 5, cores=8, cards=2).count == 2


@pytest.mark.parametrize(
    ("cpus", "given", "auto", "shared", "cluster"),
    [
        (0.0001, 64 * 2, 64 * 2, 64 * 2, 64 * (2 + 1024)),
        (1, 64 * 2, 2, 64 * 2, 2 + 1024),
        (2, 64, 1, 64, 1 + 512),
        (1024, 1, 1, 1, 1),
    ],
)
def test_a_machine_is_asked_for_no_more_processes_than_it_bears_whatever_is_wished(
    cpus: float, given: int, auto: int, shared: int, cluster: int
) -> None:
    assert local_slots(cpus, 0, 10_000, cores=2, cards=0).count == given
    assert local_slots(cpus, 0, "auto", cores=2, cards=0).count == auto
    assert local_slots(cpus, 0.0001, "auto", cores=2, cards=8).count == shared
    assert cluster_slots(cpus, 0, "auto", nodes=[Node(2, 0), Node(1024, 0)]).count == cluster
    assert local_slots(1, 0, 100, cores=2, cards=0).count == 100


def test_trials_on_cards_of_a_machine_without_any_are_an_error() -> None:
    with pytest.raises(ClusterError, match=r"trial\.gpus=1, 0 cards visible"):
        local_slots(1, 1, "auto", cores=2, cards=0)


def test_a_cluster_runs_what_its_machines_hold_each_for_itself() -> None:
    eight = [Node(8, 1)] * 8
    assert cluster_slots(4, "auto", "auto", nodes=eight) == Slots(8, 4, 1.0)
    assert cluster_slots(4, 0.5, "auto", nodes=eight) == Slots(16, 4, 0.5)
    assert cluster_slots(3, 0, "auto", nodes=eight) == Slots(16, 3, 0), "of 8 cores 2 are left over, 8 times"
    assert cluster_slots(4, "auto", "auto", nodes=[Node(8, 0)] * 3) == Slots(6, 4, 0.0)


def test_a_cluster_that_grows_is_asked_for_all_it_may_become_although_nothing_is_there_yet() -> None:
    head, worker = Node(0, 0), Node(4, 1)
    assert cluster_slots(2, "auto", "auto", nodes=[head], coming=[worker] * 3) == Slots(3, 2, 1.0)
    assert cluster_slots(2, 1, "auto", nodes=[head, worker], coming=[worker] * 2) == Slots(3, 2, 1)


def test_whether_a_cluster_that_grows_has_cards_is_never_guessed_from_what_is_up_now() -> None:
    head, worker = Node(4, 0), Node(4, 0)
    with pytest.raises(ClusterError, match=r"gpus=auto needs to know[\s\S]*worker_gpus=1.*trial\.gpus=0"):
        cluster_slots(2, "auto", 3, nodes=[head], coming=[worker] * 2)
    assert cluster_slots(2, 0, "auto", nodes=[head], coming=[worker] * 2) == Slots(6, 2, 0)
    assert cluster_slots(2, "auto", 3, nodes=[head, Node(4, 1)], coming=[worker]) == Slots(3, 2, 1.0)
    assert cluster_slots(2, "auto", "auto", nodes=[head, worker]) == Slots(4, 2, 0.0), "it cannot grow"


def test_a_cluster_without_room_waits_only_where_the_concurrency_is_given() -> None:
    assert cluster_slots(4, 1, 6, nodes=[Node(0, 0)]) == Slots(6, 4, 1)
    with pytest.raises(
        ClusterError, match=r"0 CPU and 0 GPU; a trial asks for 4 and 1\n.*cluster\.max_workers"
    ):
        cluster_slots(4, 1, "auto", nodes=[Node(0, 0)])
