from __future__ import annotations

import json
from pathlib import Path

import pytest

from mersearch.config import compose
from mersearch.errors import RunError
from mersearch.search.policies import ALPHA
from mersearch.search.policy import NoStopping
from mersearch.simulation.other import lines, outcomes
from mersearch.store import RunDirectory
from tests.runs import a_plan, execute


def a_whole_run(path: Path, trials: int, *more: str) -> RunDirectory:
    """A run whose trials are all complete; its configuration asks for `race`."""
    config = compose(
        "quintuplet", ["search.scheduler=race", "search.rungs=[0.3,0.5]", "run.seed=5", *more]
    ).to_dict()
    run = RunDirectory.create(path, config=config, provenance={}, plan=a_plan(9))
    execute(run, trials, policy=NoStopping())
    return run


def test_the_scheduler_of_a_run_with_its_keys_does_what_it_did(tmp_path: Path) -> None:
    run = a_whole_run(tmp_path / "r", 16)
    found = outcomes(run)
    assert list(found) == ["none", "asha", "race strict", "race default", "race explore"]
    assert (found["none"].folds, found["none"].complete, found["none"].same) == (16 * 9, 16, True)
    assert found["none"].seconds == 16 * 9 * 1.5
    best = run.read().best("uf1")
    assert best is not None
    assert found["none"].best == (best.number, best.score("uf1"))
    for name, outcome in found.items():
        assert outcome.same == (outcome.best == found["none"].best), name
    assert found["asha"].folds < 16 * 9
    assert found["race explore"].folds <= found["race strict"].folds
    assert outcomes(run, workers=4)["none"].seconds == 4 * 9 * 1.5


def test_a_level_of_race_that_is_a_number_is_looked_at_as_the_run_has_it(tmp_path: Path) -> None:
    run = a_whole_run(tmp_path / "r", 6, f"search.race.alpha={ALPHA['explore']}")
    found = outcomes(run)
    assert list(found)[-1] == f"race {ALPHA['explore']:g}"
    assert found[f"race {ALPHA['explore']:g}"] == found["race explore"]
    assert max(map(len, lines(run, found, workers=1))) <= 80


def test_what_is_printed_fits_and_says_what_is_left_out(tmp_path: Path) -> None:
    run = a_whole_run(tmp_path / "r", 6)
    text = lines(run, outcomes(run), workers=1)
    assert max(map(len, text)) <= 80
    assert "the 6 of 6 trials" in text[1]
    log = run.path / "trials.jsonl"
    kept = [line for line in log.read_text().splitlines() if not ended(line, 5)]
    log.write_text("".join(f"{line}\n" for line in kept))
    text = lines(run, outcomes(run), workers=1)
    assert "the 5 of 6 trials" in text[1]
    assert "not known" in text[2]
    assert max(map(len, text)) <= 80


def ended(line: str, trial: int) -> bool:
    record = json.loads(line)
    return bool(record["kind"] == "ended" and record["trial"] == trial)


def test_a_run_with_few_complete_trials_is_refused(tmp_path: Path) -> None:
    run = a_whole_run(tmp_path / "r", 3)
    with pytest.raises(RunError, match="at least 4 trials with all folds"):
        outcomes(run)
