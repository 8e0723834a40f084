"""The benchmarks run on their own; here only a cell of each, so that a change of an interface is noticed."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mersearch.data.folds import folds
from mersearch.data.preprocess import Preprocess
from mersearch.data.synthetic import synthesize
from mersearch.metrics import confusion
from mersearch.simulation import LAYOUTS, World
from mersearch.store import predictions

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NAMES = tuple(file.stem for file in BENCHMARKS.glob("*.py"))
CLIPS = 10
"""Of the databases that are drawn here."""
SHORT = {"mask": {"steps": 1}, "train": {"steps": 1}}
"""Settings of `quintuplet` with which a fold is trained in a moment."""


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    """The folder of the benchmarks is where their scripts find each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield
        for name in NAMES:
            sys.modules.pop(name, None)


def load(name: str) -> Any:
    return importlib.import_module(name)


CONTENDERS = (
    "full LOSO",
    "Optuna median",
    "Ray OptunaSearch + ASHA",
    "Bergman forgiving",
    "ours: asha",
    "ours: race default",
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Two seeds of some contenders, of few trials."""
    module = load("search_efficiency")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TRIALS", 12)
        patch.setattr(module, "MOST", 16)
        patch.setattr(module, "BUDGETS", (3, 10, 30))
        return [module.cell("random", "casme2-5", 2, name, seed) for name in CONTENDERS for seed in (1, 2)]


def test_every_contender_is_billed_for_the_folds_of_its_trials(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert 0 < row["used"] <= 1
        assert row["pick"] is None or row["pick"] <= row["best"]
        if row["contender"] == "full LOSO":
            assert (row["used"], row["win"]) == (1.0, True)
            assert row["pick"] == row["winner"]
        if row["contender"].startswith("ours"):
            assert row["used"] < 1


def test_the_report_has_a_row_per_contender_and_a_figure(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    one_worker, files = [{**row, "workers": 1} for row in rows], []
    for group in (rows, one_worker):
        files.append(tmp_path / f"{group[0]['workers']}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in group))
    load("efficiency_report").write_report(files, tmp_path)
    text = (tmp_path / "search_efficiency.md").read_text()
    for name in CONTENDERS:
        assert text.count(f"\n| {name} |") == 2
    assert (tmp_path / "search_efficiency.png").stat().st_size > 10_000


def test_the_wilcoxon_test_that_counts_gives_the_p_value_of_the_one_that_lists_all_signs() -> None:
    wilcoxon, rng = load("quick_wilcoxon").wilcoxon, np.random.default_rng(0)
    for n in (2, 3, 5, 7, 8, 14):
        for scale in (0.1, 1 / 3):
            differences = rng.integers(-3, 4, n) * scale
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                expected = stats.wilcoxon(differences, alternative="less", zero_method="zsplit").pvalue
                assert wilcoxon(differences, alternative="less", zero_method="zsplit").pvalue == expected


def test_a_remembered_world_gives_what_the_world_gives() -> None:
    world = World(3, LAYOUTS["casme2-5"])
    shared, point = load("remembered").Remembered(world), {f"algorithm.x{i}": 0.3 for i in range(3)}
    for trial in (4, 4, 5):
        found, drawn = shared.fold(trial, point, "s002"), world.fold(trial, point, "s002")
        assert (found.trial, found.labels, found.seconds) == (trial, drawn.labels, drawn.seconds)
        assert np.array_equal(found.logits, drawn.logits)
    assert shared.truth(point, "uf1") == world.truth(point, "uf1")


def test_a_ridge_is_trained_without_the_subject_that_it_predicts() -> None:
    world = load("ridge_world").RidgeWorld(3)
    point = {"algorithm.ridge": 1.0, "algorithm.scale": 0.1, "algorithm.width": 20}
    before = world.fold(0, point, "s004")
    inside = world._people == 4
    world._inputs[inside] = np.flip(world._inputs[inside], 0)
    after = world.fold(0, point, "s004")
    assert {tuple(np.round(row, 4)) for row in before.logits} == {
        tuple(np.round(row, 4)) for row in after.logits
    }
    folds = [world.fold(0, point, subject) for subject in world.plan.subjects]
    score = sum(confusion(fold.labels, predictions(fold), 3) for fold in folds)
    assert np.trace(score) / score.sum() > 0.4


def test_a_search_of_the_honesty_benchmark_tells_naive_and_corrected_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load("honest_score")
    monkeypatch.setattr(module, "TRIALS", 20)
    row = module.cell("world, race", 1)
    assert row["corrected"] < row["naive"]
    assert row["complete"] < 20


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few clips of a few people, as the benchmarks generate them."""
    root = tmp_path_factory.mktemp("drawn")
    synthesize(root / "casme2", "casme2", subjects=3, clips=CLIPS, seed=1)
    synthesize(root / "ckplus", "ckplus", subjects=2, clips=2, seed=1)
    return root


def small(module: Any, patch: pytest.MonkeyPatch, drawn: Path) -> None:
    """Every database is the one that is drawn already, and one fold is trained."""

    def copied(out: Path, layout: str, **options: Any) -> None:
        inspect.signature(synthesize).bind(out, layout, **options)
        shutil.copytree(drawn / layout, out)

    patch.setattr(module, "PREPROCESS", Preprocess(frames=8, size=16, flow_size=48))
    patch.setattr(module, "folds", lambda data: folds(data)[:1])
    patch.setattr(module.numerics, "apply", lambda _: None)
    patch.setattr(module, "synthesize", copied)


def test_a_cell_of_the_learning_benchmark_has_a_score_of_every_contender(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("learns")
    small(module, monkeypatch, drawn)
    monkeypatch.setattr(module, "SETTINGS", {**SHORT, "views": "flow"})
    true, dealt = module.measure([module.Cell(1.0, 1, 0), module.Cell(1.0, 1, 1)])
    assert true["clips"] == dealt["clips"] == CLIPS
    for row in (true, dealt):
        assert all(0 <= row[name] <= 1 for name in (*module.CONTENDERS, "majority", "uniform"))
    assert true["majority"] == dealt["majority"], "permuting keeps the sizes of the classes"


def test_a_database_of_the_disentangling_benchmark_has_a_cell_per_variant_and_one_of_masks(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("disentangles")
    small(module, monkeypatch, drawn)
    monkeypatch.setattr(module, "folds", folds)
    monkeypatch.setattr(module, "GROUPS", 3)
    monkeypatch.setattr(module, "MASK", SHORT)
    stages = {name: {"steps": 1} for name in ("identity", "emotion", "information", "train")}
    monkeypatch.setattr(module, "SEPARATING", {"frames": 2, "batch": {"size": 8}, **stages})
    rows = [*module.measure(1, ["full", "nor divergence"]), *module.measure(1, ["mask"])]
    assert [row["variant"] for row in rows] == ["full", "nor divergence", "mask"]
    full, without, masks = rows
    assert all(np.isfinite(full[name]) for name in ("uf1", "probe", "overlap", "information"))
    assert np.isnan(without["information"])
    assert 0 < masks["even"] < 1
    assert all(0 <= masks[name] <= 1 for name in ("mask", "shuffled"))


def test_preprocessing_is_measured_against_a_loop_that_stores_the_same_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("preprocessing")
    face = np.zeros((272, 224, 3), np.uint8)
    face[40:200, 60:160] = 160
    monkeypatch.setattr(module, "_faces", lambda _: [face])
    monkeypatch.setattr(module, "SETTINGS", replace(module.SETTINGS, frames=2, size=16, flow_size=64))
    found = module.database(tmp_path, 2)
    assert module.frames_of(found.clips) == 4
    assert module.agreement(tmp_path, 2) < 127
    assert module._memory(os.getpid()) > 10
    seconds = {("plain", 1): 8.0, ("ours", 1): 10.0, ("ours", 2): 5.0}

    def timed(what: str, _: Path, clips: int, workers: int, *, watched: bool = False) -> dict[str, float]:
        return {"memory": 100.0 * workers} if watched else {"seconds": seconds[what, workers], "cpu": 8.0}

    monkeypatch.setattr(module, "timed", timed)
    line = module.cell(tmp_path, found, 0, 2) | {"apart": 0.0, "load": 1.0}
    monkeypatch.setattr(module, "LINES", tmp_path / "lines.jsonl")
    module.LINES.write_text(json.dumps(line) + "\n")
    # 4 frames in 8, 10 and 5 seconds; 8 / 10; 8 / 5 over two cores; processor time alike
    assert "| 2 | 2 | 0 | 0 | 1 | 0.80 | 0.80 | 1.00 | 100, 100, 200 | 1 | 1.0 |" in module.report()


def test_every_back_end_of_a_cell_is_timed_against_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("loso_trial")
    monkeypatch.setattr(module, "SIZES", {"small": (1, 12)})
    monkeypatch.setattr(module, "TIMED", {"small": 1})
    monkeypatch.setattr(module, "PEOPLE", {3: 12})
    monkeypatch.setattr(
        module, "ways", lambda cell, processes: [module.Way("loop", 1), module.Way("fused", 2)]
    )
    cells = list(module.cells("cpu"))
    assert [cell.algorithm for cell in cells] == ["quintuplet", "disentangle"]
    lines = [module.measure(cells[0], 1, 600.0, 2), module.measure(cells[1], 1, 0.0, 2)]
    assert set(lines[0]["times"]) == {"loop", "fused, 2 folds"}
    assert lines[0]["times"]["loop"]["ratios"] == {"wall": 1.0, "cpu": 1.0}
    assert all(found["wall"] > 0 and found["peak_bytes"] > 0 for found in lines[0]["times"].values())
    assert "the first steps take more than" in lines[1]["open"]
    text = module.table(lines)
    assert "| quintuplet | small | 3 |" in text
    assert "- disentangle, small, K = 3: the first steps" in text
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert module.stored(file) == lines


def test_overhead_is_what_the_workers_time_holds_besides_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("overhead")
    span = module.Span(given=100.0, first=104.0, last=110.0, over=111.0, folds=[2.5, 2.5, 2.5, 2.5])
    # two workers for 6 s, of which they trained 10 s: 2 s over two trials
    assert span.costs(2) == {"fold": 2.5, "training": 5.0, "span": 6.0, "per_trial": 1.0}
    line = {
        "trials": 2, "folds": 4, "wall": span.over - span.given, "start": 4.0, "end": 1.0, "cores": 2,
        "ours": span.costs(2), "stock": {**span.costs(2), "per_trial": 3.0}, "starts": [(4.0, 4.0), (9.0, 2.5)],
        "load_before": 0.1, "date": "2026-01-01",
    }  # fmt: skip
    monkeypatch.setattr(module, "LINES", tmp_path / "lines.jsonl")
    module.LINES.write_text(json.dumps(line) + "\n")
    text = module.report()
    assert "11.0 s / 5.0 s = 2.200 | ≤ 1.10 | NOT met" in text
    assert "| stock over ours | 3.0 × |" in text
    assert "6.5 s / 3.2 s = 2.00 | ≤ 1.5 | NOT met" in text
    assert "means of 2 pairs, run in turn; single pairs: 1.00 to 3.60, median 2.30" in text


def test_a_whole_trial_is_measured_beside_what_its_steps_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    module, trial = load("loso_whole"), load("loso_trial")
    monkeypatch.setattr(trial, "SIZES", {"small": (1, 12)})
    monkeypatch.setattr(module, "TIMED", {"small": 1})
    monkeypatch.setattr(trial, "PEOPLE", {3: 12})
    monkeypatch.setattr(module, "folds", lambda data: folds(data)[:1])
    line = module.measure(trial.Cell("quintuplet", "small", 3, "cpu"), trial.Way("loop", 1))
    assert all(value > 0 for value in line["measured"])
    assert line["way"] == "loop"
