"""Table and figure of `search_efficiency.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
FULL, STOCK, OURS = "full LOSO", "Ray OptunaSearch + ASHA", "ours: race default"
BUDGET = "30"
RESAMPLES = 4000


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval over seeds."""
    data = np.asarray(values, float)
    draws = np.random.default_rng(0).integers(0, len(data), (RESAMPLES, len(data)))
    low, high = np.quantile(data[draws].mean(1), [0.025, 0.975])
    return float(data.mean()), float(low), float(high)


def shown(values: Sequence[float], digits: int = 3) -> str:
    """Mean and interval as text."""
    mean, low, high = interval(values)
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def write_report(lines: Path, folder: Path, budgets: Sequence[float]) -> None:
    """`search_efficiency.md` and `search_efficiency.png` in the folder."""
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    text = ["# Search efficiency", "", "Simulated; means over seeds with 95 % bootstrap intervals.", ""]
    keys = dict.fromkeys((row["sampler"], row["layout"], row["workers"]) for row in rows)
    for sampler, layout, workers in sorted(keys):
        chosen = [
            row
            for row in rows
            if (row["sampler"], row["layout"], row["workers"]) == (sampler, layout, workers)
        ]
        text += table(chosen, f"{layout}, {sampler} sampler, {workers} worker{'s' * (workers > 1)}")
    main = [row for row in rows if row["workers"] == 1 and row["sampler"] == "random"]
    text += targets(main)
    (folder / "search_efficiency.md").write_text("\n".join(text) + "\n")
    figure(main, folder / "search_efficiency.png", budgets)


def by_seed(rows: Sequence[Row], contender: str) -> dict[int, Row]:
    """The rows of one contender."""
    return {row["seed"]: row for row in rows if row["contender"] == contender}


def at_budget(row: Row, budget: str = BUDGET) -> float:
    """True score of the pick; 0 where nothing was complete."""
    return row["curve"][budget] or 0.0


def paired(rows: Sequence[Row], one: str, other: str) -> list[float]:
    """Difference of the true scores at equal budget, seed by seed."""
    first, second = by_seed(rows, one), by_seed(rows, other)
    return [at_budget(first[seed]) - at_budget(second[seed]) for seed in sorted(first.keys() & second.keys())]


def table(rows: Sequence[Row], title: str) -> list[str]:
    """Markdown of one layout and number of workers."""
    seeds = {row["seed"] for row in rows}
    best = np.mean([row["best"] for row in rows if row["contender"] == FULL])
    text = [
        f"## {title} ({len(seeds)} seeds)",
        "",
        f"Oracle (knows the best of 100 trials, one full evaluation): true UF1 {best:.3f}.",
        "",
        "| contender | folds used of 100 full trials | picks the full-LOSO winner | true UF1 of the pick of 100 | "
        "true UF1 at 10 full LOSOs | at 30 | `race` default minus it, at 30 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["contender"] for row in rows):
        mine = list(by_seed(rows, name).values())
        text.append(
            f"| {name} | {shown([r['used'] for r in mine], 2)} | {shown([r['win'] for r in mine], 2)} | "
            f"{shown([r['pick'] or 0.0 for r in mine])} | {shown([at_budget(r, '10') for r in mine])} | "
            f"{shown([at_budget(r) for r in mine])} | {shown(paired(rows, OURS, name))} |"
        )
    return [*text, ""]


def targets(rows: Sequence[Row]) -> list[str]:
    """Whether the targets are met at one worker; an interval that includes one counts."""
    text = [
        "## Targets, one worker, random sampler",
        "",
        "| layout | target | found | met |",
        "|---|---|---|---|",
    ]
    for layout in dict.fromkeys(row["layout"] for row in rows):
        mine = [row for row in rows if row["layout"] == layout]
        for name, used, win in (("race default", 0.30, 0.85), ("asha", 0.40, 0.95)):
            own = list(by_seed(mine, f"ours: {name}").values())
            spent, wins = interval([r["used"] for r in own]), interval([r["win"] for r in own])
            text.append(line(layout, f"{name}: folds ≤ {used:.2f}", spent, spent[1] <= used))
            text.append(line(layout, f"{name}: same winner ≥ {win:.2f}", wins, wins[2] >= win))
        for other in dict.fromkeys(row["contender"] for row in mine if row["contender"] != OURS):
            least = 0.0 if other in (FULL, STOCK) else -0.003
            found = interval(paired(mine, OURS, other))
            text.append(
                line(layout, f"race default − {other}: lower end > {least:g}", found, found[1] > least)
            )
    return [*text, ""]


def line(layout: str, target: str, found: tuple[float, float, float], met: bool) -> str:
    """A row of the table of targets."""
    return f"| {layout} | {target} | {found[0]:.3f} [{found[1]:.3f}, {found[2]:.3f}] | {'yes' if met else '**no**'} |"


def figure(rows: Sequence[Row], path: Path, budgets: Sequence[float]) -> None:
    """True score of the pick over the budget, one panel per layout."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    layouts = list(dict.fromkeys(row["layout"] for row in rows))
    drawn, axes = plt.subplots(1, len(layouts), figsize=(6.5 * len(layouts), 5), squeeze=False)
    for axis, layout in zip(axes[0], layouts, strict=True):
        mine = [row for row in rows if row["layout"] == layout]
        for name in dict.fromkeys(row["contender"] for row in mine):
            if name.endswith("our order") and not name.startswith("full"):
                continue
            means = [np.mean([at_budget(r, str(b)) for r in by_seed(mine, name).values()]) for b in budgets]
            style = {"linewidth": 2.4} if name.startswith("ours") else {"linewidth": 1.2, "linestyle": "--"}
            axis.plot(budgets, means, label=name, **style)
        axis.set(title=layout, xlabel="budget, full LOSO evaluations", ylabel="true UF1 of the pick")
        axis.grid(alpha=0.3)
    axes[0][-1].legend(fontsize=8)
    drawn.tight_layout()
    drawn.savefig(path, dpi=130)
