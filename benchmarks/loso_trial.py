"""What an optimiser step of a leave-one-subject-out trial costs with every back-end, against the plain loop.

    python benchmarks/loso_trial.py run      # resumable: a line per cell in benchmarks/results/loso_trial.jsonl
    python benchmarks/loso_trial.py report   # benchmarks/results/loso_trial.md from these lines

A cell is an algorithm at its default settings, a size of clips and a number of people; its pictures are noise. All
back-ends of a cell are timed in one process, in turn, round after round, so that a ratio compares what ran side by
side. Of every stage one step is run and then `TIMED` more; the difference, weighted by the stage's own number of
steps and divided by the folds, is the cost of a step of one fold. `run` begins no cell when `--minutes` are over; a
cell that does not fit into them is written down as open, and nothing is estimated.

Two clocks are read. `wall` is what a user waits for. `cpu` is processor time over all processes: on a machine that
others use too, that is the one to be trusted; on a card only `wall` counts. Nothing of the search is imported: a
machine with numpy, torch, pandas and OpenCV is enough.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from mersearch import numerics
from mersearch.algorithm import Algorithm, Labels, Shapes
from mersearch.cores import local_cores
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import Fold, folds
from mersearch.heap import give_back
from mersearch.training import DeviceData, train_chunk
from mersearch.training.measure import Shortened, steps_of
from mersearch.training.memory import resident_peak
from mersearch.training.processes import Pool
from trainables.disentangle import Disentangle
from trainables.quintuplet import Quintuplet

RESULTS = Path(__file__).parent / "results"
LINES, REPORT = RESULTS / "loso_trial.jsonl", RESULTS / "loso_trial.md"
ALGORITHMS = {"quintuplet": Quintuplet, "disentangle": Disentangle}
SIZES = {"28×28": (1, 28), "8×64×64": (8, 64), "16×112×112": (16, 112)}
PEOPLE = {26: 246, 68: 442}
"""People → clips: CASME II, and the composite of three databases."""
MACRO_CLIPS = 100
TIMED = {"28×28": 20, "8×64×64": 4, "16×112×112": 2}
"""Steps per stage that are timed."""
WARM = 1
SEED = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """What is compared in one run."""

    algorithm: str
    size: str
    people: int
    device: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.algorithm}, {self.size}, K = {self.people}, {self.device}"


def clips_of(n: int, people: int, classes: int, shape: tuple[int, int], kind: str) -> Clips:
    """`n` clips of noise, dealt to the people in turn with a few large ones first, as real databases have it."""
    rng = np.random.default_rng(SEED)
    frames, size = shape
    share = 1.0 / np.arange(1, people + 1) ** 0.5
    own = 1 + rng.multinomial(n - people, share / share.sum())
    subject = np.repeat(np.arange(people), own)
    units: NDArray[np.bool_] = rng.random((n, len(ACTION_UNITS))) < 0.2
    labels = Labels(rng.integers(0, classes, n), subject, units, np.ones(n, dtype=bool))
    dimensions = n, 3, frames, size, size
    names = tuple(f"{kind}/{k:02d}" for k in range(people))
    return Clips(
        tuple(f"{names[k]}/{i:03d}" for i, k in enumerate(subject)),
        rng.integers(0, 256, dimensions, np.uint8),
        rng.integers(-127, 128, dimensions, np.int8),
        labels,
        names,
    )


def dataset_of(cell: Cell) -> DataSet:
    """Noise in the numbers and the shape of the cell."""
    frames, size = shape = SIZES[cell.size]
    emotions, macro = ("negative", "positive", "surprise"), ("negative", "positive", "surprise")
    shapes = Shapes(frames, size, ("rgb", "flow"), emotions, macro, ACTION_UNITS, cell.people)
    micro = clips_of(PEOPLE[cell.people], cell.people, len(emotions), shape, "micro")
    return DataSet(micro, clips_of(MACRO_CLIPS, 20, len(macro), shape, "macro"), shapes, "noise")


@dataclass(frozen=True, slots=True)
class Way:
    """A back-end and the folds of a chunk."""

    backend: str
    chunk: int

    @property
    def name(self) -> str:
        """For people."""
        return self.backend if self.chunk == 1 else f"{self.backend}, {self.chunk} folds"


def ways(cell: Cell, processes: int) -> list[Way]:
    """What a cell compares: on processors a chunk of as many folds as there are processes, on a card larger ones."""
    if cell.device == "cpu":
        return [Way("loop", 1), Way("processes", processes), Way("fused", processes)]
    return [Way("loop", 1), Way("fused", 8), Way("fused", cell.people)]


class Clock:
    """Wall-clock time and processor time of this process and of those of a pool."""

    def __init__(self, pool: Pool | None, device: torch.device) -> None:
        self._pool, self._device = pool, device

    def read(self) -> NDArray[np.float64]:
        """Wall, processor."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        children = sum(map(processor_time, self._pool.pids)) if self._pool is not None else 0.0
        return np.array([time.perf_counter(), time.process_time() + children])


def processor_time(pid: int) -> float:
    """Seconds that a process has computed, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Bench:
    """An algorithm and data on a device, to be timed."""

    algorithm: Algorithm
    data: DeviceData
    folds: tuple[Fold, ...]
    pool: Pool | None

    def seconds(self, way: Way, steps: int) -> NDArray[np.float64]:
        """Wall and processor seconds of one optimiser step of one fold, by `steps` timed steps per stage."""
        total = np.zeros(2)
        for stage in self.algorithm.stages():
            few, many = (self._run(way, stage, n) for n in (WARM, WARM + steps))
            total += (many - few).clip(min=0) / steps * stage.steps
        return total / steps_of(self.algorithm) / way.chunk

    def _run(self, way: Way, stage: Any, steps: int) -> NDArray[np.float64]:
        pool = self.pool if way.backend == "processes" else None
        clock = Clock(pool, self.data.device)
        short = cast("Algorithm", Shortened(self.algorithm, stage, steps))
        before = clock.read()
        train_chunk(short, self.data, self.folds[: way.chunk], seed=SEED, backend=way.backend, pool=pool)
        return clock.read() - before


def measure(cell: Cell, rounds: int, limit: float, processes: int) -> dict[str, Any]:
    """The line of a cell: medians over rounds of every back-end, or that it is open."""
    algorithm, steps = ALGORITHMS[cell.algorithm], TIMED[cell.size]
    dataset = dataset_of(cell)
    data = DeviceData.from_dataset(dataset, cell.device)
    built: Algorithm = algorithm(algorithm.Settings(), dataset.shapes)
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(Pool(data, processes)) if cell.device == "cpu" else None
        bench = Bench(built, data if pool is None else pool.data, folds(dataset), pool)
        start, load = time.perf_counter(), os.getloadavg()[0]
        for way in ways(cell, processes):
            bench.seconds(way, 1)
            if time.perf_counter() - start > limit:
                return _line(cell, load, open=f"the first steps take more than {limit:.0f} s")
        found: dict[str, list[NDArray[np.float64]]] = {}
        for number in range(rounds):
            for way in ways(cell, processes):
                if time.perf_counter() - start > limit:
                    return _line(cell, load, open=f"{number} of {rounds} rounds in {limit:.0f} s")
                found.setdefault(way.name, []).append(bench.seconds(way, steps))
        peaks = {way.name: peak(bench, way) for way in ways(cell, processes)}
        times = {
            name: {
                "wall": statistics.median(float(each[0]) for each in each_round),
                "cpu": statistics.median(float(each[1]) for each in each_round),
                "ratios": _ratios(found["loop"], each_round),
                "peak_bytes": peaks[name],
            }
            for name, each_round in found.items()
        }
    return _line(cell, load, steps=steps, rounds=rounds, processes=processes, times=times)


def _ratios(loop: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """Loop over this back-end, round by round: median of each clock."""
    pairs = [
        (a[k] / b[k] if b[k] > 0 else float("nan")) for k in (0, 1) for a, b in zip(loop, other, strict=True)
    ]
    half = len(loop)
    return {"wall": statistics.median(pairs[:half]), "cpu": statistics.median(pairs[half:])}


def _line(cell: Cell, load: float, **more: Any) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if cell.device == "cuda" else f"{local_cores()} cores"
    return {
        **asdict(cell),
        "machine": name,
        "torch": str(torch.__version__),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "load_before": round(load, 1),
        **more,
    }


def peak(bench: Bench, way: Way) -> int:
    """Memory at its peak in a step of every stage: of the card; else of this process, and of those that train for it.

    What was freed before goes back to the system first. It is taken apart from the timing, which begins with memory
    that the process has.
    """
    if bench.data.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        bench.seconds(way, 1)
        return int(torch.cuda.max_memory_allocated())
    give_back()
    children = bench.pool.pids if bench.pool is not None and way.backend == "processes" else ()
    with contextlib.suppress(OSError):
        for pid in ("self", *children):
            Path(f"/proc/{pid}/clear_refs").write_text("5")
    bench.seconds(way, 1)
    return resident_peak() + sum(map(resident_peak, children))


def cells(device: str) -> Iterator[Cell]:
    """Every cell, the cheap ones first."""
    for size in SIZES:
        for people in PEOPLE:
            for algorithm in ALGORITHMS:
                yield Cell(algorithm, size, people, device)


def stored(file: Path) -> list[dict[str, Any]]:
    """The lines that are there."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def run(arguments: argparse.Namespace) -> None:
    """Measure the cells that are not there, as long as there is time."""
    numerics.apply({"threads": 1})
    start, file = time.monotonic(), arguments.out
    file.parent.mkdir(parents=True, exist_ok=True)
    for cell in cells(arguments.device):
        if arguments.only and arguments.only not in cell.name:
            continue
        lines = [line for line in stored(file) if not (arguments.again and "open" in line)]
        if any(all(line[name] == value for name, value in asdict(cell).items()) for line in lines):
            continue
        left = 60 * arguments.minutes - (time.monotonic() - start)
        if left < 30:
            print(f"left for the next call: {cell.name} and what follows", flush=True)
            return
        line = measure(cell, arguments.rounds, left, arguments.processes)
        kept = [other for other in stored(file) if any(other[name] != line[name] for name in asdict(cell))]
        file.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in (*kept, line)))
        print(f"{cell.name}: {line.get('open') or 'done'}", flush=True)
    print("every cell is there", flush=True)


def table(lines: Sequence[dict[str, Any]]) -> str:
    """The report in Markdown."""
    rows = [
        "# What an optimiser step of one fold costs",
        "",
        "`python benchmarks/loso_trial.py run`, then `report`; how it is timed is said in the script. Milliseconds "
        "per optimiser step and fold; × = the loop's time over that of the back-end, median over rounds in which "
        "both ran in turn. cpu counts the processor time of all processes: P processes on an idle machine with P "
        "cores are up to P times their cpu × faster by the clock.",
        "",
        "| algorithm | clips | K | machine | back-end | wall ms | × | cpu ms | × | peak GiB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    open_cells = []
    for line in sorted(lines, key=_order):
        head = f"| {line['algorithm']} | {line['size']} | {line['people']} | {line['machine']}"
        if "open" in line:
            open_cells.append(f"- {line['algorithm']}, {line['size']}, K = {line['people']}: {line['open']}")
            continue
        for name, found in line["times"].items():
            ratios = found["ratios"]
            rows.append(
                f"{head} | {name} | {1e3 * found['wall']:.1f} | {ratios['wall']:.2f} "
                f"| {1e3 * found['cpu']:.1f} | {ratios['cpu']:.2f} | {found['peak_bytes'] / 2**30:.2f} |"
            )
        best = auto(line)
        rows.append(f"{head} | auto: {best} | | {line['times'][best]['ratios']['wall']:.2f} | | | |")
    present = {(line["algorithm"], line["size"], line["people"]) for line in lines}
    for device in {line["device"] for line in lines}:
        missing = [cell for cell in cells(device) if (cell.algorithm, cell.size, cell.people) not in present]
        open_cells += [f"- {cell.name}: not run yet" for cell in missing]
    loads = [line["load_before"] for line in lines]
    stamp = sorted({f"{line['date']}, torch {line['torch']}" for line in lines})
    rows += ["", "Open, not measured:", "", *(open_cells or ["- nothing"])]
    rows += ["", f"{'; '.join(stamp)}. Load of the machine before a cell: {min(loads)} to {max(loads)}."]
    return "\n".join(rows) + "\n"


def auto(line: dict[str, Any]) -> str:
    """What `folds.batch=auto` would take of a cell: the fastest by the clock, on a processor never a fused one."""
    times = line["times"]
    usable = [name for name in times if line["device"] != "cpu" or not name.startswith("fused")]
    return max(usable, key=lambda name: float(times[name]["ratios"]["wall"]))


def _order(line: dict[str, Any]) -> tuple[str, int, int, int]:
    return (
        line["device"],
        list(SIZES).index(line["size"]),
        line["people"],
        list(ALGORITHMS).index(line["algorithm"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--out", type=Path, default=LINES, help="the lines")
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--processes", type=int, default=local_cores())
    parser.add_argument("--only", default="", help="cells with this in their name")
    parser.add_argument("--again", action="store_true", help="try open cells again")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments)
    else:
        arguments.report.write_text(table(stored(arguments.out)))
        print(arguments.report)


if __name__ == "__main__":
    main()
