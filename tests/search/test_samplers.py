"""The samplers beside the default: what they propose, and what is said about them."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch.config.records import Search
from mersearch.errors import ConfigError
from mersearch.search.policy import NoStopping
from mersearch.search.quasi import coordinate, place, quasi_point
from mersearch.search.samplers import remarks, sampler_of
from mersearch.search.study import propose
from mersearch.space import Choice, Float, Int, Space
from mersearch.store import RunState
from tests.runs import SPACE, Killed, a_plan, a_run, execute

LEARNING = ("gp", "nsga2")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> RunState:
    """Sixteen complete trials."""
    run = a_run(tmp_path_factory.mktemp("samplers") / "r")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        execute(run, 16, policy=NoStopping(), sampler="random")
    return run.read()


def drawn(state: RunState, number: int, sampler: str, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"seed": 7, "metric": "uf1", "startup": 4, **changes}
    return propose(state, SPACE, number, sampler=sampler, **options)


@pytest.mark.parametrize("sampler", LEARNING)
def test_a_proposal_is_a_function_of_run_seed_and_number_and_learns_from_scores(
    state: RunState, sampler: str
) -> None:
    SPACE.validate(drawn(state, 16, sampler))
    assert drawn(state, 16, sampler) == drawn(state, 16, sampler)
    assert drawn(state, 16, sampler) != drawn(RunState(a_plan()), 16, sampler)
    assert drawn(state, 16, sampler, startup=99) == drawn(RunState(a_plan()), 16, sampler, startup=99)


def test_the_generations_of_nsga2_cross_what_scored_best(state: RunState) -> None:
    """Without the generation in the rebuilt study, all of it would be drawn at random."""
    best = {trial.parameters["algorithm.lr"] for trial in state.ranking("uf1")}
    rates = [drawn(state, number, "nsga2")["algorithm.lr"] for number in range(16, 40)]
    assert sum(rate in best for rate in rates) > len(rates) / 2


@pytest.mark.parametrize("sampler", ["nsga2", "qmc"])
def test_an_interrupted_search_proposes_what_the_undisturbed_one_did(sampler: str, tmp_path: Path) -> None:
    whole, halting = a_run(tmp_path / "whole"), a_run(tmp_path / "halting")
    execute(whole, 9, sampler=sampler)
    with pytest.raises(Killed):
        execute(halting, 9, sampler=sampler, chunks=13)
    execute(halting, 9, sampler=sampler)
    assert (halting.path / "trials.jsonl").read_bytes() == (whole.path / "trials.jsonl").read_bytes()


@pytest.mark.parametrize("base", [2, 3, 5, 7])
def test_of_base_points_every_interval_of_an_axis_has_one(base: int) -> None:
    for seed in range(3):
        for start in (0, 4 * base**2):
            found = [coordinate(start + number, base, seed) for number in range(base**2)]
            assert sorted(int(value * base**2) for value in found) == list(range(base**2))
    assert coordinate(5, base, 0) != coordinate(5, base, 1)


def test_an_even_point_has_grid_values_and_choices_with_equal_parts() -> None:
    shares = [(2 * k + 1) / 240 for k in range(120)]
    for dimension, expected in (
        (Choice("x", ("a", None, True)), ["a", None, True]),
        (Int("x", 2, 5), [2, 3, 4, 5]),
        (Int("x", 1, 9, step=4), [1, 5, 9]),
        (Float("x", 0.0, 1.0, step=0.25), [0.0, 0.25, 0.5, 0.75, 1.0]),
    ):
        found = [place(dimension, share) for share in shares]
        assert {repr(value): found.count(value) for value in expected} == {
            repr(value): 120 // len(expected) for value in expected
        }


def test_a_logarithmic_range_is_even_in_the_logarithm() -> None:
    assert place(Float("x", 1e-4, 1e-2, log=True), 0.5) == pytest.approx(1e-3)
    found = [place(Int("x", 1, 64, log=True), (k + 0.5) / 4000) for k in range(4000)]
    whole = math.log(64.5 / 0.5)
    for value in (1, 8, 64):
        share = math.log((value + 0.5) / (value - 0.5)) / whole
        assert found.count(value) == pytest.approx(4000 * share, abs=1.01)


def test_even_points_follow_the_conditions_and_take_what_is_given() -> None:
    for number in range(40):
        SPACE.validate(quasi_point(SPACE, number, seed=1))
    given = {"algorithm.head": "mlp", "algorithm.lr": 0.03}
    found = quasi_point(SPACE, 3, seed=1, given=given)
    assert given.items() <= found.items()
    assert "algorithm.width" in found


def test_an_unsuitable_sampler_is_said_to_be_one() -> None:
    flat = Space((Float("x", 0.0, 1.0),))
    assert remarks(Search(), SPACE) == []
    assert remarks(Search(sampler="gp"), flat) == []
    (said,) = remarks(Search(sampler="gp"), SPACE)
    assert "draws 1 parameter at random: those that exist only under a condition" in said
    (said,) = remarks(Search(sampler="gp", trials=500), flat)
    assert "cube of the trials" in said
    (said,) = remarks(Search(sampler="nsga2", trials=20), flat)
    assert "generations of 10 trials" in said
    assert remarks(Search(sampler="nsga2", trials=100), flat) == []
    for name in ("qmc", "random"):
        (said,) = remarks(Search(sampler=name), flat)
        assert "does not learn" in said


def test_a_sampler_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "scipy" else real(name, *rest)
    )
    with pytest.raises(ConfigError, match="gp needs SciPy"):
        sampler_of("gp", 0, 4)


def test_even_points_spread_better_than_random_ones() -> None:
    space = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))
    rng = np.random.default_rng(0)
    even = np.array([list(quasi_point(space, number, seed=0).values()) for number in range(64)], float)
    cells = [len({tuple((8 * row).astype(int)) for row in points}) for points in (even, rng.random((64, 2)))]
    assert cells[0] > cells[1]
