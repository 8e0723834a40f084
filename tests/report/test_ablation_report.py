"""The result of an ablation from what a run stores, with trials that a test makes up."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mersearch.config import Ablation, Config, compose
from mersearch.metrics import METRICS
from mersearch.report.ablation import AblationTable, ablation_table, as_dict, write_ablation
from mersearch.report.figure import forest
from mersearch.report.table import markdown, text
from mersearch.search.policy import NoStopping
from mersearch.space import Space
from mersearch.statistics import paired_difference, per_subject
from mersearch.store import FoldRecord, RunDirectory
from tests.runs import a_plan, a_run, a_session, train

SKILL = {0: 1e-2, 1: 1e-4, 2: 1.1e-2, 3: 1e-2}
"""Trial → learning rate of the made-up trainer, which is best at 0.01."""
CURVES = {0: [4.0, 2.0, 1.0, 1.0], 1: [4.0, 3.0, 2.5, 2.0], 2: [4.0, 1.3, 1.0, 1.0], 3: [4.0, 2.0, 1.0, 1.0]}
NAMED = Ablation(
    ("full", "− a part", "− a part of which the name is long", "− what diverges"),
    ("− nothing",),
    "demo, trial 3",
)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def config() -> Config:
    overrides = ("macro=none", "algorithm.quintuplet.macro=false", "algorithm.mask.macro=false")
    return dataclasses.replace(compose("quintuplet", overrides), ablation=NAMED)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Three complete trials and a failed one, of 24 subjects."""
    run = a_run(tmp_path_factory.mktemp("report") / "demo-ablation", a_plan(24))
    fill(run, failed=(3,))
    return run


def fill(run: RunDirectory, failed: tuple[int, ...], after: int = 0) -> None:
    """Train the trials; `failed` ones fail when they have finished so many folds."""
    points: list[dict[str, Any]] = [{}, *({"algorithm.without": number} for number in (1, 2, 3))]
    with a_session(run, 4, space=Space(()), points=points, policy=NoStopping()) as session:
        while proposal := session.next_trial():
            for place, subject in enumerate(run.plan.subjects):
                if proposal.trial in failed and place == after:
                    session.fail(proposal.trial, "a loss stays finite: nan at step 3, and so on and on" * 3)
                    break
                session.report(proposal.trial, [a_fold(run, proposal.trial, subject)])


def a_fold(run: RunDirectory, trial: int, subject: str) -> FoldRecord:
    parameters = {"algorithm.lr": SKILL[trial], "algorithm.head": "mlp"}
    curve = {"joint.joint.classification.curve": CURVES[trial], "joint.joint.steps": 40}
    record = train(run.plan, trial, parameters, subject)
    return dataclasses.replace(record, seconds=1.0 + trial, diagnostics=curve)


@pytest.fixture(scope="module")
def table(run: RunDirectory, config: Config) -> AblationTable:
    return ablation_table(run.name, run.read(), config, NAMED)


def test_every_variant_is_compared_with_the_full_configuration_in_pairs(
    run: RunDirectory, table: AblationTable
) -> None:
    trials = run.read().trials
    full = per_subject(trials[0].confusions)
    assert table.rows[0].difference is None
    for number in (1, 2):
        row = table.rows[number]
        assert row.difference == paired_difference(per_subject(trials[number].confusions), full, "uf1")
        assert row.scores == {name: METRICS[name](trials[number].confusions[-1]) for name in METRICS}
        assert row.difference.value == row.scores["uf1"] - table.rows[0].scores["uf1"]
        assert row.changes == {"algorithm.without": number}
    assert [row.seconds for row in table.rows] == [1.0, 2.0, 3.0, None, None]


def test_convergence_is_measured_against_the_drop_of_the_full_configuration(table: AblationTable) -> None:
    # four bins of 10 steps stand at 5, 15, 25 and 35; 90 % of the drop from 4 to 1 ends at 1.3
    assert table.rows[0].steps == pytest.approx(15 + 10 * 0.7)
    assert (table.rows[1].steps, table.rows[1].total) == (None, 40)
    assert table.rows[2].steps == pytest.approx(15)
    assert table.log == "classification"


def test_what_failed_and_what_is_off_already_is_listed_without_numbers(table: AblationTable) -> None:
    assert [row.state for row in table.rows] == ["complete"] * 3 + ["failed", "off already"]
    assert (table.rows[3].scores, table.rows[3].difference, table.rows[4].trial) == ({}, None, None)


def test_the_table_fits_80_columns_and_marks_what_is_no_proof(table: AblationTable) -> None:
    lines = text(table)
    assert max(map(len, lines)) <= 80
    words = " ".join(" ".join(lines).split())
    for row in table.rows[1:3]:
        assert row.difference is not None
        (line,) = [line for line in lines if f"{row.scores['uf1']:.3f}  " in line and "[" in line]
        assert ("≈" in line) == (row.difference.low <= 0 <= row.difference.high)
    assert {row.difference.verdict for row in table.rows[1:3] if row.difference} == {"worse", "undecided"}
    assert "≈: the interval includes 0, so the number is no proof that the part matters" in words
    assert any(line.endswith(">40") for line in lines)
    assert any(line.startswith("− nothing") and line.endswith("off already") for line in lines)
    assert "failed: a loss stays finite" in words
    assert "The configuration comes from demo, trial 3." in words
    assert "90% of the drop" in words
    assert "are too narrow" not in words


def test_few_subjects_and_a_class_without_curves_are_told(table: AblationTable) -> None:
    words = " ".join(" ".join(text(dataclasses.replace(table, subjects=8, log=""))).split())
    assert "With 8 subjects the intervals are too narrow" in words
    assert "names no log in CURVES" in words


def test_markdown_holds_the_same_rows_and_shows_the_figure(table: AblationTable) -> None:
    page = markdown(table, "ablation.png")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == [f"| {row.variant}" for row in table.rows]
    assert {row.count("|") for row in rows} == {6}
    assert "](ablation.png)" in page


def test_the_figure_is_a_picture_and_the_same_every_time(table: AblationTable) -> None:
    picture = forest(table)
    assert picture.startswith(PNG)
    assert forest(table) == picture
    assert forest(dataclasses.replace(table, log="")).startswith(PNG)


def test_the_files_are_written_into_the_run(run: RunDirectory, config: Config, table: AblationTable) -> None:
    said = write_ablation(run, run.read(), config, NAMED)
    assert said[: len(text(table))] == text(table)
    stored = json.loads((run.path / "ablation.json").read_text())
    assert stored == json.loads(json.dumps(as_dict(table)))
    assert stored["rows"][1]["difference"]["verdict"] == "worse"
    assert (run.path / "ablation.md").read_text() == markdown(table, "ablation.png")
    assert (run.path / "ablation.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("after", [0, 2])
def test_without_the_full_configuration_scores_are_told_and_nothing_is_compared(
    tmp_path: Path, config: Config, after: int
) -> None:
    run = a_run(tmp_path / "r", a_plan(6))
    fill(run, failed=(0,), after=after)
    table = ablation_table("r", run.read(), config, NAMED)
    assert [row.state for row in table.rows[:4]] == ["failed", *["complete"] * 3]
    assert all(row.difference is None and row.steps is None for row in table.rows)
    assert max(map(len, text(table))) <= 80
    assert forest(table).startswith(PNG)
