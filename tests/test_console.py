from __future__ import annotations

import dataclasses
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rich.console

from mersearch.config import compose
from mersearch.console import (
    Watching,
    closing,
    dashboard,
    evaluating,
    events,
    mark_synthetic,
    opening,
    preparing,
)
from mersearch.console.text import duration
from mersearch.store import Progress, Trial, TrialProgress, TrialProposed
from mersearch.store.records import State

WHY = "place 7 of 7 after 3 folds, the first 4 go on"
SHORT = "place 7 of 7, the first 4 go on"
"""The same after "stopped after 3 of 8 folds"."""
RUN = Path("runs/quintuplet")


def row(trial: int, state: State = "running", folds: int = 0, score: float | None = None) -> TrialProgress:
    why = {"stopped": WHY, "failed": "ValueError: " + "a long story " * 20}.get(state, "")
    return TrialProgress(trial, state, folds, score, why)


def progress(*rows: TrialProgress, best: tuple[int, float] | None = None) -> Progress:
    return Progress(rows, 10, 8, sum(r.folds for r in rows), best, 1.0, 90.0)


def picture(shown: Progress, width: int = 80, name: str = "quintuplet", encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    screen = rich.console.Console(file=file, width=width, highlight=False)
    screen.print(dashboard(shown, name=name, metric="uf1", elapsed=3723, left=90.4))
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


FULL = progress(
    row(0, "complete", 8, 0.612),
    row(1, "stopped", 3, 0.3),
    row(2, "failed"),
    row(3, folds=5, score=0.5),
    row(4),
    best=(0, 0.612),
)


def test_the_table_fits_80_columns_whatever_it_holds() -> None:
    many = progress(*[row(10_000 + k, "failed", 123) for k in range(20)], best=(12_345, 0.123))
    for shown in (FULL, many):
        assert max(map(len, picture(shown, name="a" * 200))) <= 80


def test_the_last_line_of_the_table_is_blank_so_that_what_ctrl_c_shows_fits_in_it() -> None:
    assert [not line.strip() for line in picture(FULL)[-2:]] == [False, True]


def test_the_table_says_state_folds_score_and_why_of_every_trial() -> None:
    lines = picture(FULL)
    assert lines[0].strip() == "quintuplet: 3 of 10 trials over"
    assert lines[1].strip() == "2 running, 1 complete, 1 stopped early, 1 failed"
    assert lines[2].strip() == "elapsed 1:02:03   left about 1:30   best uf1 0.612 (trial 0)"
    rows = [line.split() for line in lines[5:-1]]
    assert [(r[0], r[1]) for r in rows] == [
        ("0", "complete"), ("1", "stopped"), ("2", "failed"), ("3", "running"), ("4", "running"),
    ]  # fmt: skip
    assert rows[0][-3:] == ["8/8", "0.612", "best"]
    assert "3/8 0.300 of 3   place 7 of 7 after 3 folds" in lines[6]
    assert "0/8              ValueError: a long story" in lines[7]
    assert rows[3][-4:] == ["5/8", "0.500", "of", "5"], "a score of some folds does not look like one of all"
    assert rows[4][-1] == "0/8"


def test_the_table_shows_the_last_twelve_trials_and_earlier_ones_that_run() -> None:
    rows = [row(k, "running" if k in (2, 19) else "stopped", 3, 0.1) for k in range(20)]
    shown = [int(line.split()[0]) for line in picture(progress(*rows))[5:-1]]
    assert shown == [2, *range(8, 20)]


def test_the_table_can_be_written_where_only_ascii_can() -> None:
    assert picture(FULL, encoding="ascii")


def test_the_first_look_names_what_runs_and_later_looks_what_has_changed() -> None:
    first = progress(row(0, "complete", 8, 0.6), row(1, folds=3, score=0.4), row(2), best=(0, 0.6))
    assert events(None, first, "uf1") == [
        "trial 1 goes on after 3 of 8 folds, uf1 0.400",
        "trial 2 started",
    ]
    later = progress(
        row(0, "complete", 8, 0.6),
        row(1, "complete", 8, 0.75),
        row(2, folds=1, score=0.5),
        row(3),
        best=(1, 0.75),
    )
    assert events(first, later, "uf1") == [
        "trial 1 complete, uf1 0.750 (best so far)",
        "trial 2 fold 1 of 8, uf1 0.500",
        "trial 3 started",
    ]
    unranked = events(first, later, "uf1", ranked=False)
    assert unranked[0] == "trial 1 complete, uf1 0.750", "an ablation chooses nothing"
    last = dataclasses.replace(
        later, trials=(*later.trials[:2], row(2, "stopped", 3, 0.3), row(3, "complete", 8, 0.7))
    )
    assert events(later, last, "uf1") == [
        f"trial 2 stopped after 3 of 8 folds, uf1 0.300: {SHORT}",
        "trial 3 complete, uf1 0.700",
    ]
    assert events(last, last, "uf1") == []


def watching(file: io.StringIO, clock: list[float]) -> Watching:
    return Watching(
        "quintuplet", "uf1", file=file, clock=lambda: clock[0], now=lambda: datetime(2026, 1, 2, 3, 4, 5)
    )


def test_where_no_terminal_is_every_event_is_one_plain_line_with_the_time_and_prose_fits_80_columns() -> None:
    file = io.StringIO()
    with watching(file, [0.0]) as watch:
        shown = progress(row(0))
        watch.update(shown)
        watch.update(shown)
        watch.notice("trial 0: its worker died")
        watch.notice("mersearch " * 15)
        watch.update(progress(row(0, "stopped", 3, 0.3)))
    assert file.getvalue().splitlines() == [
        "03:04:05  starting workers…",
        "03:04:05  trial 0 started",
        "03:04:05  trial 0: its worker died",
        f"03:04:05  {' '.join(['mersearch'] * 7)}",
        f"          {' '.join(['mersearch'] * 7)}",
        "          mersearch",
        f"03:04:05  trial 0 stopped after 3 of 8 folds, uf1 0.300: {SHORT}",
    ]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_the_table_is_drawn_at_every_event_and_four_times_a_second_between() -> None:
    file, clock = io.StringIO(), [100.0]
    with watching(file, clock) as watch:
        shown = progress(row(0, folds=1, score=0.5))
        sizes = []
        for now in (100.0, 100.1, 100.2, 100.3, 100.4, 131.0):
            clock[0] = now
            watch.update(shown)
            sizes.append(len(file.getvalue()))
        watch.update(progress(row(0, "complete", 8, 0.75), best=(0, 0.75)))
    drawn = [after > before for before, after in zip([0, *sizes], sizes, strict=False)]
    assert drawn == [True, False, False, True, False, True]
    text = file.getvalue()
    assert "left about 1:30" in text
    assert text.index("starting workers…") < text.index("1 running"), "the screen is not blank at the start"
    assert "1 running, 0 complete, 0 stopped early, waiting for the first fold" in text
    assert "waiting" not in text.rpartition("1 of 10 trials over")[2]
    assert "elapsed 0:31   left about 1:30" in text, "nothing of what is left is done before the first fold"
    assert "best uf1 0.750 (trial 0)" in text.rpartition("1 of 10 trials over")[2]
    assert "\x1b[2K" in text, "redrawn in place"


@pytest.mark.usefixtures("terminal")
def test_what_is_left_counts_down_once_a_fold_has_come_in() -> None:
    file, clock = io.StringIO(), [0.0]
    with watching(file, clock) as watch:
        watch.update(progress(row(0, folds=1, score=0.5)))
        clock[0], second = 20.0, progress(row(0, folds=2, score=0.5))
        watch.update(second)
        clock[0] = 45.0
        watch.update(second)
    assert "elapsed 0:45   left about 1:05" in file.getvalue()


def test_the_first_words_say_how_much_where_to_and_that_data_are_synthetic() -> None:
    lines = opening(
        run=RUN, trials=10, folds=8, done=0, slots=2, device="cpu", synthetic=("casme2", "ckplus")
    )
    assert lines[:2] == ["10 trials of 8 folds, 2 at a time on the processor", f"Everything goes to {RUN}"]
    assert "synthetic (casme2 and ckplus)" in lines[2]
    again = opening(run=RUN, trials=10, folds=8, done=13, slots=2, device="cuda")
    assert "Going on: 13 folds are done already." in again
    assert "synthetic" not in "".join(again)


def winner(parameters: dict[str, Any]) -> Trial:
    """Trial 0, complete: 3 of 4 clips of one class right, 1 of 2 of the other."""
    return Trial(TrialProposed(0, parameters, 0), "", np.array([[[0, 0], [0, 0]], [[3, 1], [1, 1]]]))


def test_the_last_words_name_the_best_configuration_where_it_is_and_what_comes_next() -> None:
    parameters = {
        "algorithm.views": "both",
        "algorithm.train.lr": 0.00123456,
        "algorithm.train.decay": None,
        "algorithm.mask.finetune": True,
        "algorithm.train.steps": 40,
    }
    lines = closing(FULL, run=RUN, best=winner(parameters), seconds=200, synthetic=("casme2",))
    uf1 = (2 * 3 / (2 * 3 + 1 + 1) + 2 * 1 / (2 * 1 + 1 + 1)) / 2
    uar, accuracy = (3 / 4 + 1 / 2) / 2, 4 / 6
    assert lines[1:10] == [
        "5 trials in 3:20: 1 complete, 1 stopped early, 1 failed",
        f"Best: trial 0, UF1 {uf1:.3f}, UAR {uar:.3f}, accuracy {accuracy:.3f} over all 8 subjects",
        "(the best of many trials looks better than it is)",
        "  algorithm  views both",
        "  train      lr 0.00123, decay null, steps 40",
        "  mask       finetune true",
        "Everything is in runs/quintuplet",
        "Next:",
        "  mersearch export runs/quintuplet",
    ]
    assert lines[10:] == ["  mersearch status runs/quintuplet", mark_synthetic(("casme2",))]
    assert max(len(part) for line in lines for part in line.splitlines()) <= 80


def test_what_the_choice_leaves_of_the_score_stands_below_it_in_place_of_the_caution() -> None:
    lines = closing(
        FULL, run=RUN, best=winner({}), seconds=200, beside=("expected on new subjects: UF1 0.4",)
    )
    assert lines[2].startswith("Best: trial 0, UF1 ")
    assert lines[3] == "expected on new subjects: UF1 0.4"
    assert not any("looks better" in line for line in lines)


def test_all_searched_parameters_of_the_shipped_space_are_listed_on_one_screen() -> None:
    space = compose("quintuplet").space
    parameters = {dimension.path: 0.0123456 for dimension in space.parameters}
    lines = closing(FULL, run=RUN, best=winner(parameters), seconds=200)
    text = " ".join(lines)
    assert all(f"{path.rpartition('.')[2]} 0.0123" in text for path in parameters)
    assert max(map(len, lines)) <= 80
    assert len(lines) < 24


def test_what_does_not_fit_into_fifteen_lines_is_left_to_the_export() -> None:
    parameters = {f"algorithm.part{k}.x": k for k in range(34)}
    lines = closing(FULL, run=RUN, best=winner(parameters), seconds=200)
    assert len([line for line in lines if line.startswith("  part")]) == 14
    assert "  and 20 more, which the export holds too" in lines
    just = closing(FULL, run=RUN, best=winner(dict(list(parameters.items())[:15])), seconds=200)
    assert not any("more" in line for line in just)


def test_a_search_that_has_tried_the_whole_space_says_so() -> None:
    whole = dataclasses.replace(FULL, exhausted=True)
    why = "the space has no further configuration: 5 of 10 trials"
    assert picture(whole)[0].strip() == "quintuplet: 3 of 10 trials over, the space has no more"
    assert events(FULL, whole, "uf1") == [why]
    assert events(whole, dataclasses.replace(whole, remaining=1.0), "uf1") == []
    lines = closing(whole, run=RUN, best=winner({}), seconds=None)
    assert lines[1].startswith("5 trials, nothing was left to do: ")
    assert lines[2] == f"T{why[1:]}."


def test_a_search_inside_a_verification_says_nothing_of_what_comes_next() -> None:
    shown = progress(row(0, "complete", 8, 0.6), best=(0, 0.6))
    words = {
        "run": Path("runs/q/nested-2/group-0"),
        "best": winner({"algorithm.train.lr": 0.1}),
        "seconds": 9,
    }
    whole = closing(shown, **words)
    inner = closing(shown, **words, following=False)
    assert inner == whole[: whole.index("Next:")]


def test_without_a_complete_trial_there_is_nothing_to_export() -> None:
    lines = closing(progress(row(0, "stopped", 3, 0.3)), run=RUN, best=None, seconds=1)
    assert "No trial has all folds, so there is no best configuration yet." in lines
    assert not any("export" in line for line in lines)


def test_preparations_are_logged_by_quarters_where_no_terminal_is() -> None:
    file = io.StringIO()
    with preparing(file) as report:
        for done in range(1, 9):
            report("preprocessing clips", done, 8)
        report("reading casme2", 0, 0)
    said = [line[10:] for line in file.getvalue().splitlines()]
    assert said == [
        *(f"preprocessing clips: {done} of 8" for done in (1, 2, 4, 6, 8)),
        "reading casme2…",
    ]


@pytest.mark.usefixtures("terminal")
def test_preparations_are_bars_on_a_terminal_one_per_task() -> None:
    file = io.StringIO()
    with preparing(file) as report:
        report("writing synthetic casme2", 30, 30)
        report("reading casme2", 0, 0)
        report("preprocessing clips", 3, 30)
    assert "reading casme2…" in file.getvalue()
    last = file.getvalue().rpartition("writing synthetic casme2")[2].splitlines()
    assert "30/30" in last[0]
    assert "preprocessing clips" in last[1]
    assert "3/30" in last[1]


def test_an_evaluation_counts_the_folds_of_its_trial() -> None:
    file = io.StringIO()
    with evaluating(8, file) as watcher:
        watcher.update(progress(row(0, folds=4, score=0.5)))
    assert [line[10:] for line in file.getvalue().splitlines()] == ["folds: 0 of 8", "folds: 4 of 8"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")]
)
def test_durations_are_read_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text
