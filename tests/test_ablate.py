"""`mersearch ablate` as a user types it: killed in the middle, given again, and given once more when it is over."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
import yaml

from mersearch.config import compose
from mersearch.store import RunDirectory
from tests.test_commands import mersearch
from tests.tiny import Tiny

pytestmark = pytest.mark.ray
VARIANTS = ["full", "− MNet", "− quintuplet", "− macro members", "− contrastive", "− RGB view", "− flow view"]
FOLDS = 3
KILLED_AFTER = 8
"""Folds: two variants are whole by then, and two begun."""
ABLATE = ("ablate", "whole.yaml", "search.concurrency=2")


class Ablated(NamedTuple):
    """An ablation that was killed once and then ended."""

    run: RunDirectory
    before: bytes
    """Whole lines of the folds log when it had been killed."""
    said: str
    """By the second command."""


@pytest.fixture(scope="module")
def ablated(tiny: Tiny) -> Ablated:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny.folder)
        values = compose("tiny.yaml", ["run.name=whole", "algorithm.train.steps=6"]).to_dict()
    del values["space"], values["fixed"]
    (tiny.folder / "whole.yaml").write_text(yaml.safe_dump(values))
    with tiny.start(*ABLATE) as command:
        command.at(lambda: tiny.lines("whole-ablation", "folds.jsonl") >= KILLED_AFTER)
        command.kill()
        command.leaves_nothing()
    run = tiny.run("whole-ablation")
    log = (run.path / "folds.jsonl").read_bytes()
    return Ablated(run, log[: log.rfind(b"\n") + 1], tiny.do(*ABLATE))


def test_no_finished_fold_is_trained_again(ablated: Ablated) -> None:
    done = ablated.before.count(b"\n")
    after = (ablated.run.path / "folds.jsonl").read_bytes()
    assert KILLED_AFTER <= done < len(VARIANTS) * FOLDS == after.count(b"\n")
    assert after.startswith(ablated.before)
    assert f"Going on: {done} folds are done already." in ablated.said
    state = ablated.run.read()
    assert (state.duplicates, len(state.in_state("complete"))) == (0, len(VARIANTS))


def test_every_variant_is_the_full_configuration_with_one_change(ablated: Ablated) -> None:
    changes = [trial.parameters for trial in ablated.run.read().trials.values()]
    assert changes == [
        {},
        {"algorithm.mask.enabled": False},
        {"algorithm.quintuplet.weight": 0.0},
        {"algorithm.quintuplet.macro": False},
        {"algorithm.contrast.weight": 0.0},
        {"algorithm.views": "flow"},
        {"algorithm.views": "rgb"},
    ]
    stored = json.loads((ablated.run.path / "ablation.json").read_text())
    assert [row["variant"] for row in stored["rows"]] == VARIANTS
    assert all(row["total"] == 6 and row["seconds"] > 0 for row in stored["rows"])


def test_the_table_is_printed_and_written_with_a_figure(ablated: Ablated) -> None:
    table = ablated.said[ablated.said.index("Ablation whole-ablation") :]
    assert max(map(len, table.splitlines())) <= 80
    assert all(f"\n{variant} " in table for variant in VARIANTS)
    assert "no proof" in table
    assert "Table and figure: runs/whole-ablation/ablation.md, .json, .png" in table
    assert (ablated.run.path / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_the_full_configuration_has_the_predictions_that_evaluate_gives(
    tiny: Tiny, ablated: Ablated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.folder)
    assert mersearch(monkeypatch, "evaluate", "whole.yaml") == 0
    alone = tiny.run("whole").read().folds(0)
    beside = ablated.run.read().folds(0)
    assert [fold.subject for fold in alone] == [fold.subject for fold in beside]
    assert all(a.logits.tobytes() == b.logits.tobytes() for a, b in zip(alone, beside, strict=True))


@pytest.mark.parametrize("command", [ABLATE, ("resume", "whole-ablation")], ids=lambda c: c[0])
def test_when_it_is_over_the_same_table_is_told_and_nothing_is_trained(
    tiny: Tiny,
    ablated: Ablated,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tiny.folder)
    before = (ablated.run.path / "folds.jsonl").read_bytes()
    assert mersearch(monkeypatch, *command) == 0
    assert (ablated.run.path / "folds.jsonl").read_bytes() == before
    told = capsys.readouterr().out
    assert told.strip() == ablated.said[ablated.said.index("Ablation whole-ablation") :].strip()


def test_status_names_the_variants(
    tiny: Tiny, ablated: Ablated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tiny.folder)
    assert mersearch(monkeypatch, "status", "whole-ablation") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    rows = [line for line in text.splitlines() if " complete " in line and line.strip()[0].isdigit()]
    assert [row.split(None, 4)[-1] for row in rows] == VARIANTS
    assert "best of many" not in text
    assert mersearch(monkeypatch, "status", "whole-ablation", "--json") == 0
    assert json.loads(capsys.readouterr().out)["variants"] == VARIANTS


def test_a_run_of_points_is_no_configuration_to_ablate(
    ablated: Ablated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mersearch(monkeypatch, "ablate", str(ablated.run.path / "config.yaml")) == 2
    assert f"lists {len(VARIANTS)} points" in " ".join(capsys.readouterr().err.split())
