"""The table of an ablation, for a console and in Markdown."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from mersearch.metrics import NAMES
from mersearch.report.convergence import SHARE
from mersearch.statistics import LEVEL, RESAMPLES, Difference

if TYPE_CHECKING:
    from mersearch.report.ablation import AblationTable, Row

WIDTH: Final = 80
VARIANT: Final = 26
"""Columns of a name, at most; a longer one is broken."""
UNDECIDED: Final = "≈"
"""Beside a difference whose interval includes 0."""
FEW: Final = 20
"""Subjects below which the interval is known to be too narrow."""
NOTHING: Final = "–"


def text(table: AblationTable) -> list[str]:
    """The table for a console, at most 80 columns."""
    names = {row.variant: textwrap.wrap(row.variant, VARIANT, subsequent_indent="  ") for row in table.rows}
    width = max(len("variant"), *(len(line) for lines in names.values() for line in lines))

    def line(name: str, score: str, difference: str, seconds: str, steps: str) -> str:
        return f"{name:{width}}  {score:>8}  {difference:25}  {seconds:>6}  {steps:>6}".rstrip()

    metric = NAMES[table.metric]
    lines = [
        *textwrap.wrap(f"{_title(table)}{' (synthetic data)' if table.synthetic else ''}", WIDTH),
        "",
        line("variant", metric, f"difference [{LEVEL:.0%}]", "s/fold", "steps"),
    ]
    for row in table.rows:
        first, *others = names[row.variant]
        if row.scores:
            lines.append(line(first, *_cells(row, table.metric)))
        else:
            lines.append(
                f"{first:{width}}  {textwrap.shorten(_why(row), WIDTH - width - 2, placeholder=' …')}"
            )
        lines += others
    return [*lines, "", *(part for note in notes(table) for part in textwrap.wrap(note, WIDTH))]


def markdown(table: AblationTable, figure: str) -> str:
    """The table as a Markdown document that shows `figure`."""
    head = ["variant", NAMES[table.metric], f"difference [{LEVEL:.0%}]", "seconds per fold", "steps"]
    rows = [
        [row.variant, *(_cells(row, table.metric) if row.scores else (_why(row), "", "", ""))]
        for row in table.rows
    ]
    lines = [
        f"# {_title(table)}",
        *(["", "The data are synthetic."] if table.synthetic else []),
        "",
        f"| {' | '.join(head)} |",
        "|---|--:|---|--:|--:|",
        *(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows),
        "",
        *(f"- {note}" for note in notes(table)),
        "",
        f"![Differences and convergence]({figure})",
        "",
        *_by_database(table),
    ]
    return "\n".join(lines)


def _by_database(table: AblationTable) -> list[str]:
    """The metric of every variant on the clips of each database; nothing unless there are several."""
    names = sorted({name for row in table.rows for name in row.databases})
    if not names:
        return []
    rows = [
        [row.variant, *(f"{row.databases[name][table.metric]:.3f}" for name in names)]
        for row in table.rows
        if row.databases
    ]
    return [
        f"{NAMES[table.metric]} of the same predictions on each database:",
        "",
        f"| {' | '.join(['variant', *names])} |",
        f"|---|{'--:|' * len(names)}",
        *(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows),
        "",
    ]


def notes(table: AblationTable) -> list[str]:
    """How the numbers are meant."""
    found = [
        f"Difference: the variant less the full configuration in pooled {NAMES[table.metric]}; in brackets the "
        f"{LEVEL:.0%} interval, from {RESAMPLES} paired resamples of the subjects. {UNDECIDED}: the interval "
        "includes 0, so the number is no proof that the part matters, and none that it does not."
    ]
    if table.subjects < FEW:
        found.append(f"With {table.subjects} subjects the intervals are too narrow: take them as a hint.")
    found.append(
        "The intervals know nothing of the seed of the training, and each stands for itself: of 20 parts that do "
        "nothing, about one looks as if it did."
    )
    if table.exported:
        found.append(
            f"The configuration comes from {table.exported}. Where it was chosen there as the best on these same "
            "subjects, its score is too high, and its parts look worth more than they are."
        )
    found.append(
        f"Steps: until the training loss `{table.log}` (mean over the folds) has made {SHARE:.0%} of the drop that "
        "it makes in the whole training of the full configuration; >: not within so many steps."
        if table.log
        else "Steps are not known: the algorithm names no log in CURVES."
    )
    if not table.alone:
        found.append("s/fold: slower where other variants were trained at the same time.")
    return found


def signed(value: float) -> str:
    """Three digits with a sign."""
    return f"{value:+.3f}".replace("-", "−")


def difference_text(difference: Difference) -> str:
    """The difference, its interval, and the mark where that includes 0."""
    mark = f" {UNDECIDED}" if difference.verdict == "undecided" else ""
    return f"{signed(difference.value)} [{signed(difference.low)}, {signed(difference.high)}]{mark}"


def _title(table: AblationTable) -> str:
    return f"Ablation {table.run}: {table.subjects} subjects, {table.clips} clips"


def _cells(row: Row, metric: str) -> tuple[str, str, str, str]:
    steps = f"{row.steps:.0f}" if row.steps is not None else f">{row.total}" if row.total else NOTHING
    return (
        f"{row.scores[metric]:.3f}",
        NOTHING if row.difference is None else difference_text(row.difference),
        NOTHING if row.seconds is None else f"{row.seconds:.1f}",
        steps,
    )


def _why(row: Row) -> str:
    return f"{row.state}: {row.why}" if row.why else row.state
