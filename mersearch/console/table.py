"""The live picture of a search: two lines of numbers over a table of trials."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mersearch.console.text import counts, duration
from mersearch.store import Progress, TrialProgress

ROWS = 12
"""Trials shown, besides running ones."""
STYLES = {"running": "cyan", "complete": "green", "stopped": "yellow", "failed": "red"}
WIDTHS = {"trial": 5, "state": 8, "bar": 16, "folds": 7, "score": 12}


def dashboard(
    progress: Progress,
    *,
    name: str,
    metric: str,
    elapsed: float,
    left: float | None,
    rows: int = ROWS,
    starting: bool = False,
    ranked: bool = True,
) -> RenderableType:
    """The whole picture, at most as wide as the terminal.

    Its last line is blank: the ^C that a terminal shows there must not start a line of its own, or the next picture
    would be drawn one line too low.

    Args:
        progress: what to show.
        name: of the run.
        metric: heads the column of scores; one that not all folds are in is dim, with their number.
        elapsed: seconds since the command started.
        left: expected seconds to the end, if known.
        rows: trials shown, besides running ones.
        starting: no fold has come in yet since the command started.
        ranked: whether the best trial is told.
    """
    best = f"   best {metric} {_best(progress)}" if ranked else ""
    heading = _heading(progress, name, elapsed, left, starting, best)
    return Group(*heading, _table(progress, metric, rows, ranked), Text())


def _heading(
    progress: Progress, name: str, elapsed: float, left: float | None, starting: bool, best: str
) -> list[Text]:
    over = len(progress.trials) - progress.count("running")
    limit = ", the space has no more" if progress.exhausted and progress.shortfall else ""
    limit = f", {progress.ended.partition(':')[0]}" if progress.ended else limit
    wait = ", waiting for the first fold" if starting else ""
    about = "at most" if progress.capped else "about"
    end = "" if left is None else f"   left {about} {duration(left)}"
    return [
        Text(
            f"{name}: {over} of {progress.planned} trials over{limit}", "bold", no_wrap=True, overflow="crop"
        ),
        Text(f"{progress.count('running')} running, {counts(progress)}{wait}", no_wrap=True, overflow="crop"),
        Text(
            f"elapsed {duration(elapsed)}{end}{best}",
            no_wrap=True,
            overflow="crop",
            end="\n\n",
        ),
    ]


def _best(progress: Progress) -> str:
    return "none yet" if progress.best is None else f"{progress.best[1]:.3f} (trial {progress.best[0]})"


def _table(progress: Progress, metric: str, rows: int, ranked: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column("trial", justify="right", width=WIDTHS["trial"])
    table.add_column("state", width=WIDTHS["state"])
    table.add_column("folds", width=WIDTHS["bar"])
    table.add_column("", justify="right", width=WIDTHS["folds"])
    table.add_column(metric, width=WIDTHS["score"])
    table.add_column("", ratio=1, no_wrap=True, overflow="crop")
    shown = progress.trials[-rows:] if rows else ()
    for trial in (*_earlier(progress, len(shown)), *shown):
        best = ranked and progress.best is not None and progress.best[0] == trial.trial
        table.add_row(*_row(trial, progress.folds, best), style="bold" if best else None)
    return table


def _earlier(progress: Progress, shown: int) -> list[TrialProgress]:
    """Running trials above the last ones, as after a resume."""
    return [trial for trial in progress.trials[: len(progress.trials) - shown] if trial.state == "running"]


def _row(trial: TrialProgress, folds: int, best: bool) -> tuple[RenderableType, ...]:
    return (
        str(trial.trial),
        Text(trial.state, STYLES[trial.state]),
        ProgressBar(total=folds, completed=trial.folds, width=WIDTHS["bar"], finished_style="green"),
        f"{trial.folds}/{folds}",
        _score(trial, folds),
        Text("best" if best else _reason(trial), "green" if best else "dim"),
    )


def _score(trial: TrialProgress, folds: int) -> Text:
    """A score of all folds as it is; of fewer, dim and with their number, since the two do not compare."""
    if trial.score is None:
        return Text()
    whole = trial.folds == folds
    return Text(f"{trial.score:.3f}") if whole else Text(f"{trial.score:.3f} of {trial.folds}", "dim")


def _reason(trial: TrialProgress) -> str:
    """The beginning of why a trial was stopped, which fits; why it failed, as far as it fits."""
    return trial.why.partition(",")[0] if trial.state == "stopped" else trial.why
