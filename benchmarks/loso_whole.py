"""Does the cost of a step, times the steps, tell what a whole trial costs? One whole trial per algorithm.

    python benchmarks/loso_whole.py run      # resumable: a line per algorithm and back-end
    python benchmarks/loso_whole.py report   # benchmarks/results/loso_whole.md

All folds of the cell 28×28, K = 26 of `loso_trial.py` are trained to the end, by the plain loop and by the back-end
that `auto` would take there; just before, its steps are timed as in that benchmark and multiplied by steps and folds.
A whole trial holds more than its steps: plans of the batches, inspection, predictions.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from typing import Any

import torch
from loso_trial import ALGORITHMS, RESULTS, SEED, TIMED, Bench, Cell, Clock, Way, dataset_of, stored

from mersearch import numerics
from mersearch.cores import local_cores
from mersearch.data.folds import folds
from mersearch.training import DeviceData, train_chunk
from mersearch.training.measure import steps_of
from mersearch.training.processes import Pool

SIZE, PEOPLE = "28×28", 26
LINES, REPORT = RESULTS / "loso_whole.jsonl", RESULTS / "loso_whole.md"


def measure(cell: Cell, way: Way) -> dict[str, Any]:
    """Wall and processor seconds of a whole trial, projected and measured."""
    dataset = dataset_of(cell)
    data = DeviceData.from_dataset(dataset, cell.device)
    algorithm = ALGORITHMS[cell.algorithm](ALGORITHMS[cell.algorithm].Settings(), dataset.shapes)
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(Pool(data, way.chunk)) if way.backend == "processes" else None
        bench = Bench(algorithm, data if pool is None else pool.data, folds(dataset), pool)
        bench.seconds(way, 1)
        load = os.getloadavg()[0]
        projected = bench.seconds(way, TIMED[cell.size]) * steps_of(algorithm) * len(bench.folds)
        clock = Clock(pool, data.device)
        before = clock.read()
        for start in range(0, len(bench.folds), way.chunk):
            chunk = bench.folds[start : start + way.chunk]
            train_chunk(algorithm, bench.data, chunk, seed=SEED, backend=way.backend, pool=pool)
        measured = clock.read() - before
    return {
        "algorithm": cell.algorithm,
        "device": cell.device,
        "way": way.name,
        "steps": steps_of(algorithm),
        "projected": [round(float(value), 2) for value in projected],
        "measured": [round(float(value), 2) for value in measured],
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "torch": str(torch.__version__),
    }


def run(device: str) -> None:
    """What is not there yet."""
    numerics.apply({"threads": 1})
    RESULTS.mkdir(exist_ok=True)
    best = Way("processes", local_cores()) if device == "cpu" else Way("fused", PEOPLE)
    known = {(line["algorithm"], line["device"], line["way"]) for line in stored(LINES)}
    for algorithm in ALGORITHMS:
        for way in (Way("loop", 1), best):
            if (algorithm, device, way.name) not in known:
                line = measure(Cell(algorithm, SIZE, PEOPLE, device), way)
                with LINES.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(line, flush=True)


def report() -> str:
    """The table, as Markdown."""
    rows = [
        "# Whole trials against the projection from their steps",
        "",
        f"`python benchmarks/loso_whole.py run`, then `report`. Clips {SIZE}, K = {PEOPLE}, all folds to the end; "
        "the projection is the cost of a step, timed just before, × steps × folds. cpu is the processor time of all "
        "processes.",
        "",
        "| algorithm | device | back-end | steps of a fold | wall s: projected, measured | ratio | cpu s: projected, "
        "measured | ratio | load |",
        "|---|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for line in stored(LINES):
        pairs = list(zip(line["projected"], line["measured"], strict=True))
        cells = " | ".join(f"{a:.1f}, {b:.1f} | {b / a:.2f}" for a, b in pairs)
        load = " to ".join(f"{value:.1f}" for value in line["load"])
        rows.append(
            f"| {line['algorithm']} | {line['device']} | {line['way']} | {line['steps']} | {cells} | {load} |"
        )
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    if given.command == "run":
        run(given.device)
    else:
        REPORT.write_text(report())
        print(report())
