"""The figure of an ablation: a forest plot of paired differences, and the convergence beside it."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

from mersearch.metrics import NAMES
from mersearch.report.convergence import SHARE
from mersearch.statistics import LEVEL

if TYPE_CHECKING:
    from mersearch.report.ablation import AblationTable, Row

INK, BLUE, GREY = "#222222", "#0072b2", "#999999"
"""Told apart without colour too: filled and hollow marks carry the meaning."""
DPI = 150
HOLLOW = f"hollow: the {LEVEL:.0%} interval over subjects includes 0, no proof of a difference"


def forest(table: AblationTable) -> bytes:
    """A PNG: for every trained variant the difference to the full configuration, and its steps to convergence."""
    from matplotlib.figure import Figure

    rows = [row for row in table.rows if row.trial is not None]
    figure = Figure(figsize=(9, 1.7 + 0.42 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    figure.suptitle(
        f"Ablation {table.run}: {table.subjects} subjects, {table.clips} clips"
        + (", synthetic" if table.synthetic else ""),
        fontsize=10,
    )
    for place, row in enumerate(rows):
        _difference(left, place, row, table.metric)
        _steps(right, place, row)
    left.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    left.set_yticks(range(len(rows)), ["\n".join(textwrap.wrap(row.variant, 28)) for row in rows])
    left.set_ylim(len(rows) - 0.5, -0.5)
    left.set_xlabel(f"{NAMES[table.metric]}, difference to the full configuration\n({HOLLOW})", fontsize=8)
    right.set_xlabel(
        f"steps to {SHARE:.0%} of the full drop of `{table.log}`\n(▷: not reached)"
        if table.log
        else "steps: not known",
        fontsize=8,
    )
    right.set_xlim(left=0)
    for axes in (left, right):
        axes.tick_params(labelsize=8)
        axes.grid(axis="y", color=GREY, alpha=0.2)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _difference(axes: Any, place: int, row: Row, metric: str) -> None:
    """A mark with its interval; words where there is no difference to show."""
    if row.difference is None:
        words = f"{row.scores[metric]:.3f}" if row.scores else row.state
        axes.annotate(words, (0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
        return
    found = row.difference
    face = "white" if found.verdict == "undecided" else BLUE
    axes.plot([found.low, found.high], [place, place], color=BLUE, linewidth=1.5)
    axes.plot(found.value, place, "o", color=BLUE, markerfacecolor=face, markersize=6)


def _steps(axes: Any, place: int, row: Row) -> None:
    if row.steps is not None:
        axes.plot(row.steps, place, "s", color=INK, markersize=5)
    elif row.total:
        axes.plot(row.total, place, ">", color=INK, markerfacecolor="white", markersize=6)
