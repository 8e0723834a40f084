"""Bad inputs 19 and 20, whole searches.

Each gives one clear error and the documented exit code; no traceback, nothing lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bad.inputs import Mersearch, contents, lines


def test_19_ray_address_that_does_not_answer(
    refuses: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ("the Ray address does not answer", "received: 127.0.0.1:1", "ray start --head")
    refuses("launch", "tiny.yaml", "--address", "127.0.0.1:1", says=told)
    refuses("resume", "done", "--address", "127.0.0.1:1", says=told)
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    refuses(
        "launch", "tiny.yaml", says=("not through a Ray client", "ray://127.0.0.1:10001", "--address HOST")
    )


def test_what_launch_refuses_of_a_warm_start_and_of_cards_a_dry_run_refuses_alike(
    refuses: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mersearch.planning.seconds_per_fold", lambda *_: pytest.fail("it would be a search"))
    for keys, told in (
        (("search.warm_start=done",), "outside of what is searched for algorithm.train.lr"),
        (("search.warm_start=done", "data.without=[casme2/01]"), "new lacks casme2/01, which done has"),
        (("search.gpu_hours=2",), "search.gpu_hours=2, and the trials run on processors"),
    ):
        command = ("launch", "tiny.yaml", *keys)
        planned = refuses(*command, "--dry-run", says=(told,))
        assert refuses(*command, says=(told,)) == planned


GREEDY = """
import dataclasses
from trainables.quintuplet import Quintuplet

class Greedy(Quintuplet):
    def stages(self):
        return tuple(
            dataclasses.replace(stage, updates=tuple(
                dataclasses.replace(u, optimiser=dataclasses.replace(u.optimiser, name="sgd", lr=1e30))
                for u in stage.updates
            ))
            for stage in super().stages()
        )
"""


@pytest.mark.ray
def test_20_all_trials_nan(mersearch: Mersearch, place: Path) -> None:
    Path("mine.py").write_text(GREEDY)
    before = contents(place)
    told = mersearch("launch", "tiny.yaml", "algorithm.name=mine:Greedy", "algorithm.train.steps=5")
    told.says(
        2, "every trial failed (2 of 2)", "trial 0: ", "finite", "stage mask", "narrow the search space"
    )
    after = contents(place)
    for name, data in before.items():
        assert after[name].startswith(data) if "/ledger/" in name else after[name] == data, name
    ended = [json.loads(line) for line in lines("runs/new/trials.jsonl") if b'"ended"' in line]
    assert [(end["trial"], end["state"]) for end in ended] == [(0, "failed"), (1, "failed")]
    told = mersearch("export", "new")
    told.says(2, "only a trial with all folds can be exported", "runs/new: no trial is complete")
