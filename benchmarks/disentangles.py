"""Does each part do what it is there for? Identity out of the features, heads apart, masks on what moves.

    python benchmarks/disentangles.py run      # resumable: a line per cell in benchmarks/results/disentangles.jsonl
    python benchmarks/disentangles.py report   # benchmarks/results/disentangles.md from these lines

Every cell is one synthetic database, of whose twelve people four groups of three are left out in turn; what is
compared is paired by database. Groups instead of single people cost a third, and leave time for more databases, which
is what an interval over databases needs. Identity is strong: every person makes two motions of their own along with
each expression (`habits`). Without habits a linear probe finds little identity in flow (0.30 where always naming the
most frequent subject gives 0.21), and there is nothing to take out. Clips and settings below were chosen on databases
of the seeds 0, 1, 300, 301, 310 to 313, 320, 321 and 330 to 334; the databases of the result are others. The probe is
cross-validated over the training clips of each fold. Where a face really moves is known from the generator; masks are
looked at on databases without habits. This says that the parts do their work on drawn faces; it says nothing about
real ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from learns import RESULTS, in_memory, interval
from numpy.typing import NDArray

from mersearch import numerics, seeds
from mersearch.algorithm import settings_from
from mersearch.data.cache import prepare
from mersearch.data.cache_load import load
from mersearch.data.clips import DataSet
from mersearch.data.folds import folds
from mersearch.data.preprocess import Preprocess
from mersearch.data.readers import read_macro, read_micro
from mersearch.data.subset import merged
from mersearch.data.synthetic import synthesize
from mersearch.metrics import confusion, uf1
from mersearch.training import DeviceData, FoldResult, train_chunk
from trainables.disentangle import Disentangle
from trainables.quintuplet import Quintuplet

LINES = RESULTS / "disentangles.jsonl"
SUBJECTS, CLIPS, MACRO_SUBJECTS = 12, 440, 24
GROUPS, GROUP = 4, "left out"
STRONG: dict[str, Any] = {"clips": CLIPS, "habits": 1.5, "difficulty": 0.7}
"""What makes identity strong, and the probe sure."""
SEEDS = tuple(range(350, 362))
PREPROCESS = Preprocess(frames=8, size=32)
MAP = 14
MOVES = 0.25
"""A place moves where the true motion is at least this share of the clip's largest."""
SEPARATING: dict[str, Any] = {
    "frames": 2,
    "batch": {"size": 64},
    "identity": {"steps": 120, "lr": 0.02},
    "emotion": {"steps": 80},
    "information": {"weight": 0.6, "steps": 150, "lr": 0.01, "critic_steps": 2},
    "train": {"steps": 300},
}
"""Settings of `disentangle` that differ from its defaults."""
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "no information": {"identity": {"enabled": False}},
    "nor divergence": {"identity": {"enabled": False}, "divergence": {"weight": 0.0}},
}
MASK: dict[str, Any] = {"mask": {"steps": 100}, "train": {"steps": 1}}
"""Settings of `quintuplet` whose masks are looked at: MNet's own stage, and hardly any other."""


def database(seed: int, macro: bool, **options: Any) -> tuple[DataSet, NDArray[np.bool_]]:
    """A database, with macro clips or without, and where the face moves in each of its clips [N, 14, 14]."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        synthesize(root / "casme2", "casme2", subjects=SUBJECTS, seed=seed, **options)
        micro, other = read_micro("casme2", root / "casme2", "casme2-5"), None
        if macro:
            synthesize(root / "ckplus", "ckplus", subjects=MACRO_SUBJECTS, seed=seed)
            other = read_macro("ckplus", root / "ckplus")
        prepared = prepare(micro, other, PREPROCESS, root / "cache", workers=1)
        dataset = in_memory(load(prepared.micro, prepared.macro))
        with np.load(root / "casme2" / "truth" / "motion.npz") as truth:
            by_clip = {name: truth[name].astype(np.float32) for name in truth}
        moving = np.stack([_moving(by_clip[_folder(clip)]) for clip in dataset.micro.ids])
    return dataset, moving


def _folder(clip: str) -> str:
    """`casme2/01/EP02_01f` → `01/EP02_01f`."""
    return clip.partition("/")[2]


def _moving(field: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a motion field [2, H, W] is large, in cells of the mask [14, 14]."""
    length = np.hypot(*field)
    cell = length.shape[0] // MAP
    coarse = length.reshape(MAP, cell, MAP, cell).mean((1, 3))
    moves: NDArray[np.bool_] = coarse >= MOVES * coarse.max()
    return moves


def measure(seed: int, names: list[str]) -> list[dict[str, Any]]:
    """The cells `names` of one database: either variants, which share the database, or the mask."""
    numerics.apply(numerics.numeric_mode(1, 1, "loop", "cpu"))
    if names == ["mask"]:
        return [{"seed": seed, "variant": "mask"} | _mask(*database(seed, macro=True), seed)]
    dataset, _ = database(seed, macro=False, **STRONG)
    return [{"seed": seed, "variant": name} | _variant(name, dataset, seed) for name in names]


def _variant(name: str, dataset: DataSet, seed: int) -> dict[str, float]:
    """Scores, probe and overlap of one variant of `disentangle`, as means over the groups left out."""
    results = _train(Disentangle, _joined(SEPARATING, VARIANTS[name]), dataset, seed)
    counts = sum(confusion(r.labels, r.logits.argmax(1), len(dataset.shapes.emotions)) for r in results)

    def mean(key: str) -> float:
        """Of one diagnostic over the groups."""
        return float(np.mean([r.diagnostics.get(key, np.nan) for r in results]))

    return {
        "uf1": uf1(counts),
        "probe": mean("inspect.identity_probe"),
        "chance": mean("inspect.identity_chance"),
        "overlap": mean("inspect.overlap"),
        "identity": mean("identity.identity.accuracy"),
        "information": mean("separate.separate.information"),
        "ceiling": mean("separate.separate.ceiling"),
        "seconds_per_fold": sum(r.seconds for r in results) / len(results),
    }


def _mask(dataset: DataSet, moving: NDArray[np.bool_], seed: int) -> dict[str, float]:
    """Share of a mask's mass where the face moves: its own clip's, an even mask's, and another clip's mask."""
    results = _train(Quintuplet, MASK, dataset, seed)
    place = {clip: row for row, clip in enumerate(dataset.micro.ids)}
    rows = np.array([place[clip] for r in results for clip in r.clip_ids])
    masks = np.concatenate([r.maps for r in results]).astype(np.float64)
    masks /= masks.sum((1, 2), keepdims=True)
    other = seeds.generator("disentangles", "shuffle", len(rows)).permutation(len(rows))
    true = moving[rows]
    return {
        "mask": float((masks * true).sum((1, 2)).mean()),
        "even": float(true.mean()),
        "shuffled": float((masks[other] * true).sum((1, 2)).mean()),
    }


def _train(
    algorithm: Callable[..., Any], values: dict[str, Any], data: DataSet, seed: int
) -> list[FoldResult]:
    """Every group left out once, one after another."""
    settings = settings_from(algorithm.Settings, values)  # type: ignore[attr-defined]
    order = seeds.generator("disentangles", "groups", seed).permutation(len(data.micro.subjects))
    results: list[FoldResult] = []
    for start in range(GROUPS):
        people = [data.micro.subjects[number] for number in order[start::GROUPS]]
        together = merged(data, people, GROUP)
        (fold,) = (fold for fold in folds(together) if fold.subject == GROUP)
        built = algorithm(settings, together.shapes)
        results += train_chunk(built, DeviceData.from_dataset(together), [fold], seed=seed)
    return results


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two levels of settings; those of `second` win."""
    both = dict(first)
    for key, value in second.items():
        both[key] = {**first.get(key, {}), **value} if isinstance(value, dict) else value
    return both


def run(workers: int) -> None:
    """Measure every cell that has no line yet."""
    RESULTS.mkdir(exist_ok=True)
    done = {(line["seed"], line["variant"]) for line in lines()}
    jobs = [
        (seed, missing)
        for seed in SEEDS
        for group in (list(VARIANTS), ["mask"])
        if (missing := [name for name in group if (seed, name) not in done])
    ]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for job in as_completed([pool.submit(measure, *cells) for cells in jobs]):
            with LINES.open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in job.result())


def lines() -> Iterator[dict[str, Any]]:
    """The stored cells."""
    if LINES.exists():
        yield from map(json.loads, LINES.read_text().splitlines())


def report() -> None:
    """Write the table."""
    cells = {(line["seed"], line["variant"]): line for line in lines()}
    found = [seed for seed in SEEDS if all((seed, name) in cells for name in (*VARIANTS, "mask"))]

    def gain(key: str, first: str, second: str) -> tuple[float, float, float]:
        """Interval of the difference of two variants."""
        return interval([cells[s, first][key] - cells[s, second][key] for s in found])

    def over(key: str) -> tuple[float, float, float]:
        """Interval of the mask's share less another one's."""
        return interval([cells[s, "mask"]["mask"] - cells[s, "mask"][key] for s in found])

    def mean(variant: str, key: str) -> float:
        """Of one value over the databases."""
        return float(np.mean([cells[s, variant][key] for s in found]))

    probe, score = gain("probe", "full", "no information"), gain("uf1", "full", "no information")
    heads = gain("overlap", "no information", "nor divergence")
    rows = [
        (
            "identity probe, information term on − off",
            probe,
            probe[0] <= -0.1 and probe[2] < 0,
            "≤ −0.10, below 0",
        ),
        ("UF1, information term on − off", score, score[1] >= -0.03, "not below −0.03"),
        ("overlap of the heads, divergence loss on − off", heads, heads[2] < 0, "below 0"),
        ("MNet's mask where the face moves − an even mask", over("even"), over("even")[1] > 0, "above 0"),
        ("MNet's mask − that of another clip", over("shuffled"), over("shuffled")[1] > 0, "above 0"),
    ]
    text = [
        "# Do the parts do what they are there for?",
        "",
        "Made by `python benchmarks/disentangles.py run` and `report`; the lines are in `disentangles.jsonl`.",
        f"Synthetic CASME II with {SUBJECTS} subjects and {CLIPS} clips, every person with two habitual motions;",
        f"{len(found)} databases, {GROUPS} groups of people left out in turn.",
        "",
        "| difference, paired by database | mean | 95 % interval | asked | |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {m:+.3f} | {low:+.3f} to {high:+.3f} | {asked} | {'met' if met else 'NOT met'} |"
            for name, (m, low, high), met, asked in rows
        ),
        "",
        "| variant | UF1 | identity probe | chance | overlap of the heads |",
        "|---|---|---|---|---|",
        *(
            f"| {v} | "
            + " | ".join(f"{mean(v, k):.3f}" for k in ("uf1", "probe", "chance", "overlap"))
            + " |"
            for v in VARIANTS
        ),
        "",
        f"Share of the mask's mass where the face moves: {mean('mask', 'mask'):.3f}; of an even mask "
        f"{mean('mask', 'even'):.3f}; of the mask of another clip {mean('mask', 'shuffled'):.3f}.",
        "",
    ]
    (RESULTS / "disentangles.md").write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    run(arguments.workers) if arguments.command == "run" else report()
