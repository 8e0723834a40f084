"""What it is worth that a process that trains keeps the memory which its tensors free (`mersearch.heap`).

    python benchmarks/kept_memory.py run [--rounds 3]
    python benchmarks/kept_memory.py report

As many loops as there are cores train side by side, each in a process with one thread, as `folds.backend=processes`
has it: with the memory kept, and as the C library has it by itself, in turn, round after round. Seconds per optimiser
step are taken as in loso_trial.py. `run` writes benchmarks/results/kept_memory.jsonl, a line per cell; `report`
writes kept_memory.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from loso_trial import ALGORITHMS, TIMED, Bench, Cell, Way, dataset_of

from mersearch import numerics
from mersearch.cores import local_cores
from mersearch.data.folds import folds
from mersearch.training import DeviceData

RESULTS = Path(__file__).parent / "results"
LINES, REPORT = RESULTS / "kept_memory.jsonl", RESULTS / "kept_memory.md"
SIZES = ("8×64×64", "16×112×112")
PEOPLE = 26
WAYS = ("kept", "given back")
LOOP = Way("loop", 1)


def one(way: str, cell: Cell) -> None:
    """Print the seconds of a step, those in the system's own code, and the peak of memory in bytes."""
    if way != "kept":
        numerics.keep_freed = lambda: False
    numerics.apply({"threads": 1})
    dataset = dataset_of(cell)
    algorithm: Any = ALGORITHMS[cell.algorithm]
    data = DeviceData.from_dataset(dataset)
    bench = Bench(algorithm(algorithm.Settings(), dataset.shapes), data, folds(dataset), None)
    bench.seconds(LOOP, 1)
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall, _ = bench.seconds(LOOP, TIMED[cell.size])
    after = resource.getrusage(resource.RUSAGE_SELF)
    system, user = after.ru_stime - before.ru_stime, after.ru_utime - before.ru_utime
    found = {"seconds": float(wall), "system": system / (system + user), "peak": after.ru_maxrss * 1024}
    print(json.dumps(found))


def together(way: str, cell: Cell) -> dict[str, float]:
    """The mean over processes that train side by side."""
    command = [sys.executable, __file__, "_one", way, cell.algorithm, cell.size]
    running = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        for _ in range(local_cores())
    ]
    said = [json.loads(process.communicate()[0]) for process in running]
    return {name: statistics.fmean(each[name] for each in said) for name in said[0]}


def cells() -> Iterator[Cell]:
    """Every cell, the cheap ones first."""
    for size in SIZES:
        for algorithm in ALGORITHMS:
            yield Cell(algorithm, size, PEOPLE, "cpu")


def run(rounds: int) -> None:
    """Measure every cell."""
    lines = []
    for cell in cells():
        found = [{way: together(way, cell) for way in WAYS} for _ in range(rounds)]
        lines.append(
            {
                "algorithm": cell.algorithm,
                "size": cell.size,
                "rounds": found,
                "cores": local_cores(),
                "torch": str(torch.__version__),
                "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            }
        )
        LINES.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        print(f"{cell.name}: done", flush=True)


def report() -> str:
    """The table, as Markdown."""
    lines = [json.loads(line) for line in LINES.read_text().splitlines()]
    rows = [
        "# Memory that is kept from step to step",
        "",
        "`python benchmarks/kept_memory.py run`, then `report`; what is measured is said in the script. "
        f"{lines[0]['cores']} processes side by side; torch {lines[0]['torch']}; {lines[0]['date']}. Milliseconds "
        "per optimiser step and fold, share of the processor time that the system takes, peak memory of a process: "
        "given back → kept, medians over rounds; × = time given back over time kept, median over rounds in which "
        "both ran in turn (least to most).",
        "",
        "| algorithm | clips | ms | × | system | peak GiB |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        rounds = line["rounds"]
        ratios = sorted(each["given back"]["seconds"] / each["kept"]["seconds"] for each in rounds)
        median = {
            (way, name): statistics.median(each[way][name] for each in rounds)
            for way in WAYS
            for name in ("seconds", "system", "peak")
        }
        rows.append(
            f"| {line['algorithm']} | {line['size']} "
            f"| {1e3 * median['given back', 'seconds']:.0f} → {1e3 * median['kept', 'seconds']:.0f} "
            f"| {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) "
            f"| {100 * median['given back', 'system']:.0f} → {100 * median['kept', 'system']:.0f} % "
            f"| {median['given back', 'peak'] / 2**30:.2f} → {median['kept', 'peak'] / 2**30:.2f} |"
        )
    return "\n".join(rows) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run").add_argument("--rounds", type=int, default=3)
    commands.add_parser("report")
    hidden = commands.add_parser("_one")
    for name in ("way", "algorithm", "size"):
        hidden.add_argument(name)
    given = parser.parse_args()
    if given.command == "_one":
        one(given.way, Cell(given.algorithm, given.size, PEOPLE, "cpu"))
    elif given.command == "run":
        RESULTS.mkdir(exist_ok=True)
        run(given.rounds)
    else:
        text = report()
        REPORT.write_text(text)
        print(text)


if __name__ == "__main__":
    main()
