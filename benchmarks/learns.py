"""Does the pipeline learn? `quintuplet` against linear machines, over difficulty, and on permuted labels.

    python benchmarks/learns.py run      # resumable: one line per cell in benchmarks/results/learns.jsonl
    python benchmarks/learns.py report   # benchmarks/results/learns.md and learns.png from these lines

All contenders see the same synthetic databases, are trained leave one subject out and predict the same clips. The
generator, and then the configuration, were fixed on databases of other seeds (0 to 3), where about twelve variants of
the network were tried. What this proves is the pipeline: readers, flow, folds, training and scores. It says nothing
about the method on real faces.

`linear` reads onset–apex flow as it is. `steady` is the same machine on what the network is given: the motion of the
head taken out (the median over the face, per frame), averaged over the frames around the apex. The difference
between the two is what the preprocessing is worth; the difference from `steady` to `quintuplet` is what is left for
the network.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from linear_flow import Features, features, loso_predictions
from numpy.typing import NDArray

from mersearch import numerics, seeds
from mersearch.algorithm import settings_from
from mersearch.data.cache import prepare
from mersearch.data.cache_load import load
from mersearch.data.clips import DataSet
from mersearch.data.folds import folds
from mersearch.data.preprocess import Preprocess
from mersearch.data.readers import read_macro, read_micro
from mersearch.data.synthetic import synthesize
from mersearch.metrics import confusion, uf1
from mersearch.training import DeviceData, train_chunk
from trainables.quintuplet import Quintuplet

RESULTS = Path(__file__).parent / "results"
LINES = RESULTS / "learns.jsonl"
CONTENDERS = ("linear", "steady", "quintuplet")
SUBJECTS, MACRO_SUBJECTS = 16, 24
SEEDS = tuple(range(200, 208))
DIFFICULTIES = (0.5, 1.0, 2.0)
CURVE_SEEDS = 3
"""Databases per difficulty other than 1."""
PERMUTATIONS = 10
PREPROCESS = Preprocess(frames=8, size=32)
SETTINGS: dict[str, Any] = {
    "views": "flow",
    "classifier": {"dropout": 0.5},
    "augmentation": {"shift": 0.08, "magnitude": 0.4},
    "train": {"steps": 150},
}
"""Differences from the algorithm's defaults."""
AROUND_APEX, FACE = slice(2, 7), slice(4, -4)
"""Frames of the eight that `steady` averages; rows and columns over which the head's motion is the median."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One database and one labelling of it."""

    difficulty: float
    seed: int
    permutation: int
    """0 = the true labels; k > 0 = the k-th permutation."""


def cells() -> list[Cell]:
    """Every cell, the decisive ones first."""
    main = [Cell(1.0, seed, 0) for seed in SEEDS]
    null = [Cell(1.0, SEEDS[k % len(SEEDS)], k) for k in range(1, PERMUTATIONS + 1)]
    curve = [Cell(d, seed, 0) for d in DIFFICULTIES if d != 1.0 for seed in SEEDS[:CURVE_SEEDS]]
    return main + null + curve


def permuted(dataset: DataSet, permutation: int) -> DataSet:
    """The data set with the emotion labels dealt out anew, whole subjects kept together.

    The labels are listed subject by subject, the subjects are put in a random order, and the list is dealt to the
    clips in their old order: blocks of labels stay together, and class counts stay as they are. Permutation 0 leaves
    the labels as they are.
    """
    if not permutation:
        return dataset
    labels = dataset.micro.labels
    order = np.argsort(labels.subject, kind="stable")
    shuffled = seeds.generator("learns", "permutation", permutation).permutation(np.unique(labels.subject))
    dealt = np.concatenate([labels.emotion[labels.subject == subject] for subject in shuffled])
    emotion = labels.emotion.copy()
    emotion[order] = dealt
    micro = dataclasses.replace(dataset.micro, labels=dataclasses.replace(labels, emotion=emotion))
    return dataclasses.replace(dataset, micro=micro)


def database(difficulty: float, seed: int) -> tuple[DataSet, Features]:
    """Both databases on disk, read and preprocessed; and the features of the linear machine."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for layout, subjects in (("casme2", SUBJECTS), ("ckplus", MACRO_SUBJECTS)):
            synthesize(root / layout, layout, subjects=subjects, seed=seed, difficulty=difficulty)
        micro, macro = (
            read_micro("casme2", root / "casme2", "casme2-5"),
            read_macro("ckplus", root / "ckplus"),
        )
        prepared = prepare(micro, macro, PREPROCESS, root / "cache", workers=1)
        dataset, linear = load(prepared.micro, prepared.macro), features(root / "casme2")
        assert linear.ids == dataset.micro.ids
        return in_memory(dataset), linear


def steady(dataset: DataSet) -> NDArray[np.float32]:
    """Features [N, 2·H·W] of the second linear machine: flow less the motion of the head, around the apex."""
    flow = dataset.micro.flow
    assert flow is not None
    motion = flow[:, :2, AROUND_APEX].astype(np.float32)
    motion -= np.median(motion[..., FACE, FACE], axis=(-2, -1), keepdims=True)
    return motion.mean(2).reshape(len(motion), -1)


def in_memory(dataset: DataSet) -> DataSet:
    """The data set without its memory maps."""
    held = [
        clips and dataclasses.replace(clips, rgb=np.array(clips.rgb), flow=np.array(clips.flow))
        for clips in (dataset.micro, dataset.macro)
    ]
    return dataclasses.replace(dataset, micro=held[0], macro=held[1])


def measure(group: list[Cell]) -> list[dict[str, Any]]:
    """UF1 of every contender on cells of one database."""
    numerics.apply(numerics.numeric_mode(1, 1, "loop", "cpu"))
    dataset, linear = database(group[0].difficulty, group[0].seed)
    return [_measure(cell, permuted(dataset, cell.permutation), linear) for cell in group]


def _measure(cell: Cell, dataset: DataSet, linear: Features) -> dict[str, Any]:
    """UF1 of every contender on one cell, and of two ways to guess."""
    true, classes = dataset.micro.labels.emotion, len(dataset.shapes.emotions)
    machines = {"linear": linear.x, "steady": steady(dataset)}
    scores = {name: _machine(x, true, linear.subjects, classes) for name, x in machines.items()}
    algorithm = Quintuplet(settings_from(Quintuplet.Settings, SETTINGS), dataset.shapes)
    results = train_chunk(algorithm, DeviceData.from_dataset(dataset), folds(dataset), seed=cell.seed)
    counts = sum(confusion(r.labels, r.logits.argmax(1), classes) for r in results)
    return {
        **dataclasses.asdict(cell),
        "clips": len(true),
        **scores,
        "quintuplet": uf1(counts),
        "majority": _majority(true, classes),
        "uniform": _uniform(true, classes),
        "seconds_per_fold": sum(r.seconds for r in results) / len(results),
    }


def _machine(x: NDArray[np.float32], true: np.ndarray, subjects: np.ndarray, classes: int) -> float:
    """UF1 of a linear machine, leave one subject out."""
    return uf1(confusion(true, loso_predictions(x, true, subjects), classes))


def _majority(true: np.ndarray, classes: int) -> float:
    """UF1 of always naming the most frequent class."""
    constant = np.full(len(true), np.bincount(true).argmax())
    return uf1(confusion(true, constant, classes))


def _uniform(true: np.ndarray, classes: int, draws: int = 200) -> float:
    """Mean UF1 of naming classes at random."""
    rng = seeds.generator("learns", "uniform")
    return float(
        np.mean([uf1(confusion(true, rng.integers(classes, size=len(true)), classes)) for _ in range(draws)])
    )


def run(workers: int) -> None:
    """Measure every cell that has no line yet, the cells of one database in one go."""
    RESULTS.mkdir(exist_ok=True)
    done = {Cell(line["difficulty"], line["seed"], line["permutation"]) for line in lines()}
    groups: dict[tuple[float, int], list[Cell]] = {}
    for cell in cells():
        if cell not in done:
            groups.setdefault((cell.difficulty, cell.seed), []).append(cell)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(measure, group) for group in groups.values()]):
            with LINES.open("a") as file:
                file.writelines(json.dumps(result) + "\n" for result in future.result())


def lines() -> Iterator[dict[str, Any]]:
    """The stored cells."""
    if LINES.exists():
        yield from map(json.loads, LINES.read_text().splitlines())


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % t-interval."""
    from scipy.stats import t

    mean = float(np.mean(values))
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _gain(main: list[dict[str, Any]], over: str) -> tuple[float, float, float]:
    """Interval of the gain of `quintuplet` over another contender."""
    return interval([line["quintuplet"] - line[over] for line in main])


def report() -> None:
    """Write the table and the figure."""
    stored = sorted(lines(), key=lambda line: (line["difficulty"], line["seed"], line["permutation"]))
    truth = [line for line in stored if not line["permutation"]]
    null = [line for line in stored if line["permutation"]]
    main = [line for line in truth if line["difficulty"] == 1.0]
    gain, low, high = _gain(main, "linear")
    over, over_low, over_high = _gain(main, "steady")
    chance = [max(line["majority"], line["uniform"]) for line in null]
    above, above_low, above_high = interval(
        [line["quintuplet"] - base for line, base in zip(null, chance, strict=True)]
    )
    text = [
        "# Does the pipeline learn?",
        "",
        "Made by `python benchmarks/learns.py run` and `report`; the lines behind it are in `learns.jsonl`.",
        f"Synthetic CASME II with {SUBJECTS} subjects and synthetic CK+ with {MACRO_SUBJECTS}, UF1 over five",
        "classes, leave one subject out. This proves the pipeline, not the method: the faces are drawn, not filmed.",
        "",
        f"**Gain over the linear machine** at difficulty 1, paired over {len(main)} databases: "
        f"{gain:+.3f}, 95 % interval {low:+.3f} to {high:+.3f} "
        f"({'met' if gain >= 0.05 and low > 0 else 'NOT met'}: at least +0.05, interval above 0).",
        "",
        f"Over the **steady** linear machine, which has the head's motion taken out as the network has: {over:+.3f}, "
        f"95 % interval {over_low:+.3f} to {over_high:+.3f}. Where this interval includes 0, the gain above is the",
        "preprocessing's, not the network's.",
        "",
        f"**Permuted labels**, {len(null)} permutations: UF1 minus the better of majority and uniform guessing is "
        f"{above:+.3f}, 95 % interval {above_low:+.3f} to {above_high:+.3f} "
        f"({'met' if above_low <= 0 else 'NOT met'}: not above 0).",
        "",
        "| difficulty | databases | linear machine | steady | quintuplet | gain over linear | gain over steady |",
        "|---|---|---|---|---|---|---|",
    ]
    for difficulty in sorted({line["difficulty"] for line in truth}):
        here = [line for line in truth if line["difficulty"] == difficulty]
        linear, still, ours = (float(np.mean([line[name] for line in here])) for name in CONTENDERS)
        text.append(
            f"| {difficulty:g} | {len(here)} | {linear:.3f} | {still:.3f} | {ours:.3f} "
            f"| {ours - linear:+.3f} | {ours - still:+.3f} |"
        )
    text += ["", "![UF1 over difficulty](learns.png)", ""]
    (RESULTS / "learns.md").write_text("\n".join(text))
    _figure(truth, null)
    print("\n".join(text))


def _figure(truth: list[dict[str, Any]], null: list[dict[str, Any]]) -> None:
    """UF1 over difficulty, a line per contender."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    levels = sorted({line["difficulty"] for line in truth})
    for name, colour in zip(CONTENDERS, ("#c8553d", "#d9a441", "#1b6ca8"), strict=True):
        groups = [[line[name] for line in truth if line["difficulty"] == level] for level in levels]
        axes.plot(levels, [np.mean(group) for group in groups], "-o", color=colour, label=name)
        for level, group in zip(levels, groups, strict=True):
            axes.plot([level] * len(group), group, ".", color=colour, alpha=0.4)
    axes.plot(
        [1.0] * len(null), [line["quintuplet"] for line in null], "x", color="#666", label="permuted labels"
    )
    axes.axhline(
        np.mean([line["uniform"] for line in truth]), color="#999", linestyle=":", label="uniform guessing"
    )
    axes.set(xlabel="difficulty of the synthetic data", ylabel="UF1 (LOSO, 5 classes)", ylim=(0, 1))
    axes.legend(frameon=False)
    figure.savefig(RESULTS / "learns.png", dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    run(arguments.workers) if arguments.command == "run" else report()
