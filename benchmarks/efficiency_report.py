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
MOST = 400
"""Trials at which a search ends that has not spent its budget."""
RESAMPLES = 4000
Z = 1.96
Interval = tuple[float, float, float]
"""Mean, and the ends of its 95 % interval."""


def interval(values: Sequence[float]) -> Interval:
    """Mean and bootstrap interval over seeds."""
    data = np.asarray(values, float)
    draws = np.random.default_rng(0).integers(0, len(data), (RESAMPLES, len(data)))
    low, high = np.quantile(data[draws].mean(1), [0.025, 0.975])
    return float(data.mean()), float(low), float(high)


def share(hits: Sequence[bool]) -> Interval:
    """Share and Wilson's interval, which is no point where all seeds agree."""
    n, p = len(hits), float(np.mean(hits))
    middle, half = p + Z**2 / (2 * n), Z * float(np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)))
    return p, max(0.0, (middle - half) / (1 + Z**2 / n)), min(1.0, (middle + half) / (1 + Z**2 / n))


def shown(found: Interval, digits: int = 3) -> str:
    """An interval as text."""
    mean, low, high = found
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def write_report(files: Sequence[Path], folder: Path) -> None:
    """`search_efficiency.md` and `search_efficiency.png` in the folder."""
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    main = [row for row in rows if row["workers"] == 1 and row["sampler"] == "random"]
    text = [
        "# Search efficiency",
        "",
        "Made by `python benchmarks/search_efficiency.py run` and `report`; the lines behind it are in "
        "`search_efficiency-*.jsonl`. What it means: [docs/search-efficiency.md](../../docs/search-efficiency.md).",
        "",
        "Simulated. Means over seeds with 95 % intervals: Wilson's for shares, else bootstrap. True UF1 = that of "
        "the pick on further people; at a budget = when as many folds were read as that many full LOSO evaluations "
        f"have, or after {MOST} trials, whichever comes first.",
        "",
        *targets(main),
    ]
    keys = dict.fromkeys((row["sampler"], row["layout"], row["workers"]) for row in rows)
    for sampler, layout, workers in sorted(keys):
        chosen = [
            row
            for row in rows
            if (row["sampler"], row["layout"], row["workers"]) == (sampler, layout, workers)
        ]
        text += table(chosen, f"{layout}, {sampler} sampler, {workers} worker{'s' * (workers > 1)}")
    (folder / "search_efficiency.md").write_text("\n".join(text).rstrip() + "\n")
    figure(main, folder / "search_efficiency.png")


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
    best = np.mean([row["best"] for row in rows if row["contender"] == FULL])
    text = [
        f"## {title}",
        "",
        f"Oracle (knows the best of 100 trials, one full evaluation): true UF1 {best:.3f}.",
        "",
        "| contender | seeds | folds used of 100 full trials | picks the full-LOSO winner | true UF1 of the pick of "
        "100 | at 10 full LOSOs | at 30 | `race` default minus it, at 30 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["contender"] for row in rows):
        mine = list(by_seed(rows, name).values())
        text.append(
            f"| {name} | {len(mine)} | {shown(interval([r['used'] for r in mine]), 2)} | "
            f"{shown(share([r['win'] for r in mine]), 2)} | {shown(interval([r['pick'] or 0.0 for r in mine]))} | "
            f"{shown(interval([at_budget(r, '10') for r in mine]))} | "
            f"{shown(interval([at_budget(r) for r in mine]))} | {shown(interval(paired(rows, OURS, name)))} |"
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
            spent, wins = interval([r["used"] for r in own]), share([r["win"] for r in own])
            text.append(line(layout, f"{name}: folds ≤ {used:.2f}", spent, verdict(spent[1] <= used)))
            text.append(line(layout, f"{name}: same winner ≥ {win:.2f}", wins, verdict(wins[2] >= win)))
        for other in dict.fromkeys(row["contender"] for row in mine if row["contender"] != OURS):
            least = 0.0 if other in (FULL, STOCK) else -0.003
            found = interval(paired(mine, OURS, other))
            why = "the interval reaches below" if found[2] > least else "it is worse"
            target = f"race default − {other}: lower end > {least:g}"
            text.append(line(layout, target, found, verdict(found[1] > least, why)))
    met = sum(row.endswith("| yes |") for row in text)
    return [*text, "", f"{met} of {len(text) - 4} are met.", ""]


def verdict(met: bool, why: str = "") -> str:
    """Yes, or no and why."""
    return "yes" if met else f"**no**{': ' * bool(why)}{why}"


def line(layout: str, target: str, found: Interval, met: str) -> str:
    """A row of the table of targets."""
    return f"| {layout} | {target} | {shown(found)} | {met} |"


def figure(rows: Sequence[Row], path: Path) -> None:
    """Folds used, share of the same winner, and the paired difference at equal budget, a line per contender."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(row["contender"] for row in rows))
    layouts = list(dict.fromkeys(row["layout"] for row in rows))
    drawn, axes = plt.subplots(1, 3, figsize=(12, 0.36 * len(names) + 1.6), sharey=True)
    for shift, (layout, colour) in enumerate(zip(layouts, ("#1b6ca8", "#c8553d"), strict=False)):
        mine = [row for row in rows if row["layout"] == layout]
        for place, name in enumerate(names):
            own = list(by_seed(mine, name).values())
            found = [interval([r["used"] for r in own]), share([r["win"] for r in own])]
            found += [interval(paired(mine, OURS, name))] if name != OURS else []
            for axis, (mean, low, high) in zip(axes, found, strict=False):
                y = place + 0.3 * (shift - (len(layouts) - 1) / 2)
                axis.plot([low, high], [y, y], color=colour, linewidth=1.6)
                axis.plot(mean, y, "o", color=colour, markersize=4.5, label=layout if place == 0 else None)
    for axis, title in zip(
        axes,
        (
            "folds used of 100 full trials",
            "share that picks the full-LOSO winner",
            f"race default minus it, true UF1\nat {BUDGET} full LOSOs",
        ),
        strict=True,
    ):
        axis.set_title(title, fontsize=10)
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6), xlim=(0, 1.02))
    axes[1].set(xlim=(0, 1.02))
    axes[2].axvline(0, color="black", linewidth=0.8)
    for label in axes[0].get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("ours") else "normal")
    axes[0].legend(fontsize=8, loc="lower right")
    drawn.tight_layout()
    drawn.savefig(path, dpi=110)
    plt.close(drawn)
