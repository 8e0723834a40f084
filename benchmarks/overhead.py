"""What a search costs besides its training: start, workers, data, proposals, storage; beside stock Ray Tune.

    python benchmarks/overhead.py run [--trials 60] [--repeats 5]
    python benchmarks/overhead.py starts [--repeats 15]
    python benchmarks/overhead.py report

`run` appends one line to benchmarks/results/overhead.jsonl, `starts` adds pairs of starts to the last line; `report`
writes overhead.md.

The search: `mersearch launch` on invented people (six subjects, so six folds), every fold of every trial, two workers
of one core each; the steps are set so that a fold takes about a second. Stock Tune: the same space, the same training
and data, `OptunaSearch` and a function that reports after every fold, with Tune's defaults, so that every trial
starts an actor and loads the data. Both run in turn in one call of this script, in processes of their own.

Pure training is the sum of the folds' own seconds, as the workers take them, over the two workers. Overhead per trial
is what the workers' time from the first fold's beginning to the last trial's end holds besides, over the trials; the
start is left out of it, and is compared on its own: from the command to the beginning of the first fold, against a
script that imports torch, Ray Tune and Optuna, starts Ray and waits for one actor that has imported torch. Ray itself
takes one second or two to start, by chance, in both, so the means are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mersearch.data.synthetic import synthesize

RESULTS = Path(__file__).parent / "results"
LINES, REPORT = RESULTS / "overhead.jsonl", RESULTS / "overhead.md"
WORKERS = 2
SUBJECTS, CLIPS = 6, 48
MOST, START = 1.10, 1.5
"""Targets: wall time over pure training time; time to the first fold over that of the bare script."""
SPACE: dict[str, Any] = {
    "defaults": [
        {"data": "casme2"},
        {"macro": "ckplus"},
        {"preprocess": "small"},
        {"algorithm": "quintuplet"},
        "_self_",
    ],
    "data": {"root": "casme2"},
    "macro": {"root": "ckplus"},
    "preprocess": {"cache": "cache"},
    "search": {"scheduler": "none", "concurrency": WORKERS},
    "trial": {"gpus": 0, "cpus": 1},
    "space": {
        "algorithm": {
            "train": {"lr": {"low": 1e-3, "high": 3e-2, "log": True, "why": "Any value costs the same."}}
        }
    },
}
BARE = """
import time
import torch, optuna
import ray
from ray import tune
from ray.tune.search.optuna import OptunaSearch
import sys, pathlib
@ray.remote(num_cpus=1)
class Actor:
    def ready(self):
        import torch
        return time.time()
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, _temp_dir=sys.argv[1],
         log_to_driver=False)
pathlib.Path(sys.argv[2]).write_text(str(ray.get(Actor.remote().ready.remote())))
ray.shutdown()
"""


def stock(run_folder: Path, trials: int, scratch: str) -> None:
    """The same trials by stock Tune; the lines of the folds go to standard output."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    from mersearch.opening import extend, open_run
    from mersearch.store import RunDirectory

    run = RunDirectory.open(run_folder)
    study = open_run(extend(run, ()), lambda *_: None, run.provenance["mode"]).study
    subjects, out = study.plan.subjects, Path(scratch) / "folds"

    def train(config: dict[str, Any], study: Any = None) -> None:
        worker = study.open()
        worker.start({"algorithm.train.lr": config["lr"]})
        with out.open("a") as file:
            for subject in subjects:
                (fold,) = worker.train(0, [subject], 0, 0)
                file.write(f"{time.time()} {fold.seconds}\n")
                file.flush()
                tune.report({"hits": int((fold.logits.argmax(1) == fold.labels).sum())})

    ray.init(
        num_cpus=WORKERS,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        _temp_dir=scratch,
        log_to_driver=False,
    )
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, study=study), {"cpu": 1}),
        param_space={"lr": tune.loguniform(1e-3, 3e-2)},
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(metric="hits", mode="max"),
            metric="hits",
            mode="max",
            num_samples=trials,
            max_concurrent_trials=WORKERS,
        ),
        run_config=tune.RunConfig(storage_path=str(Path(scratch) / "results"), verbose=0),
    )
    tuner.fit()
    ray.shutdown()


@dataclass(frozen=True)
class Span:
    """A command's moments, in seconds since the epoch, and the seconds of its folds."""

    given: float
    first: float
    """When the first fold began."""
    last: float
    """When the last trial ended."""
    over: float
    folds: list[float]

    def costs(self, trials: int) -> dict[str, float]:
        """Mean seconds of a fold, of training, and what a trial costs besides; in seconds of one worker."""
        training = sum(self.folds)
        return {
            "fold": training / len(self.folds),
            "training": training / WORKERS,
            "span": self.last - self.first,
            "per_trial": (WORKERS * (self.last - self.first) - training) / trials,
        }


def search(folder: Path, name: str, *words: str) -> Span:
    """A launch, watched until its first fold is there, from start to end."""
    script, run = Path(sys.executable).with_name("mersearch"), folder / "runs" / name
    log = run / "folds.jsonl"
    given = time.time()
    with (folder / "said.txt").open("w") as said:
        options: dict[str, Any] = {"cwd": folder, "stdout": said, "stderr": said, "env": surroundings()}
        with subprocess.Popen(
            [str(script), "launch", "space.yaml", f"run.name={name}", *words], **options
        ) as process:
            while process.poll() is None and not (log.exists() and log.stat().st_size):
                time.sleep(0.02)
            seen = time.time()
        over = time.time()
    if process.returncode:
        raise RuntimeError((folder / "said.txt").read_text())
    folds = [float(line["seconds"]) for line in map(json.loads, log.read_text().splitlines())]
    ended = [json.loads(line)["time"] for line in (run / "trials.jsonl").read_text().splitlines()]
    return Span(given, seen - folds[0], max(ended), over, folds)


def surroundings(home: str | None = None) -> dict[str, str]:
    """One thread for each process, in ours and in the others; with a home where Ray puts its token, if given."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    own = {"PYTHONPATH": str(Path(__file__).parents[1]), "RAY_USAGE_STATS_ENABLED": "0"}
    return {**os.environ, **dict.fromkeys(names, "1"), **own, **({"HOME": home} if home else {})}


def steps_for_a_second(folder: Path) -> int:
    """Steps of the last stage with which a fold takes about a second while both workers train."""
    few, many = 10, 60
    short, long = (
        statistics.median(search(folder, f"steps{n}", sized(n), "search.trials=4").folds) for n in (few, many)
    )
    return max(1, round(few + (1.0 - short) * (many - few) / (long - short)))


def sized(steps: int) -> str:
    """The override that sets the steps."""
    return f"algorithm.train.steps={steps}"


def started(folder: Path, number: int) -> tuple[float, float]:
    """Seconds to the first fold of a search, and to the actor of the bare script; one after the other."""
    span = search(folder, f"start{number}", sized(1), "search.trials=1")
    with tempfile.TemporaryDirectory(prefix="bare") as scratch:
        told = Path(scratch) / "told"
        began = time.time()
        subprocess.run(
            [sys.executable, "-c", BARE, scratch, str(told)], check=True, env=surroundings(scratch)
        )
        return span.first - span.given, float(told.read_text()) - began


def by_stock(run: Path, trials: int) -> Span:
    """The same trials by stock Tune, in a process of its own."""
    given = time.time()
    with tempfile.TemporaryDirectory(prefix="stock") as scratch:
        words = [sys.executable, __file__, "_stock", str(run), str(trials), scratch]
        subprocess.run(words, check=True, env=surroundings(scratch), stdout=subprocess.DEVNULL)
        lines = [line.split() for line in (Path(scratch) / "folds").read_text().splitlines()]
    ends, seconds = [float(end) for end, _ in lines], [float(took) for _, took in lines]
    begun = min(end - took for end, took in zip(ends, seconds, strict=True))
    return Span(given, begun, max(ends), time.time(), seconds)


def prepare(folder: Path) -> None:
    """Write the data and the search space."""
    synthesize(folder / "casme2", "casme2", subjects=SUBJECTS, clips=CLIPS, seed=0)
    synthesize(folder / "ckplus", "ckplus", subjects=4, clips=28, seed=0)
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE, sort_keys=False))


def more_starts(folder: Path, repeats: int) -> None:
    """Add pairs of starts to the last line."""
    prepare(folder)
    search(folder, "first", sized(1), "search.trials=1")
    lines = LINES.read_text().splitlines()
    line = json.loads(lines[-1])
    line["starts"] += [started(folder, number) for number in range(repeats)]
    LINES.write_text("".join(f"{each}\n" for each in (*lines[:-1], json.dumps(line))))


def measure(folder: Path, trials: int, repeats: int) -> dict[str, Any]:
    """All three comparisons."""
    prepare(folder)
    steps = steps_for_a_second(folder)
    load = os.getloadavg()[0]
    ours = search(folder, "whole", sized(steps), f"search.trials={trials}")
    theirs = by_stock(folder / "runs" / "whole", trials)
    return {
        "trials": trials,
        "folds": len(ours.folds),
        "steps": steps,
        "wall": ours.over - ours.given,
        "start": ours.first - ours.given,
        "end": ours.over - ours.last,
        "ours": ours.costs(trials),
        "stock": theirs.costs(trials),
        "starts": [started(folder, number) for number in range(repeats)],
        "load_before": load,
        "cores": len(os.sched_getaffinity(0)),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def report() -> str:
    """The last line as a table."""
    line = json.loads(LINES.read_text().splitlines()[-1])
    ours, theirs = line["ours"], line["stock"]
    ratio = line["wall"] / ours["training"]
    begun, bare = (statistics.fmean(pair[side] for pair in line["starts"]) for side in (0, 1))
    first, single = begun / bare, sorted(a / b for a, b in line["starts"])

    def verdict(met: bool) -> str:
        """For the last column."""
        return "met" if met else "NOT met"

    rows = [
        "# What a search costs besides its training",
        "",
        "`python benchmarks/overhead.py run`, then `report`; what is measured is said in the script. "
        f"{line['trials']} trials of {line['folds'] // line['trials']} folds, a fold {ours['fold']:.2f} s, "
        f"{WORKERS} workers on {line['cores']} cores; load before {line['load_before']:.1f}; {line['date']}.",
        "",
        "| | measured | target | |",
        "|---|--:|--:|---|",
        f"| wall time of the command over pure training time | {line['wall']:.1f} s / {ours['training']:.1f} s = "
        f"{ratio:.3f} | ≤ {MOST:.2f} | {verdict(ratio <= MOST)} |",
        f"| of it before the first fold, after the last trial | {line['start']:.1f} s, {line['end']:.1f} s | | |",
        f"| overhead per trial, ours | {ours['per_trial']:.2f} s | | |",
        f"| overhead per trial, stock Tune (a fold {theirs['fold']:.2f} s) | {theirs['per_trial']:.2f} s | | |",
        f"| stock over ours | {theirs['per_trial'] / ours['per_trial']:.1f} × | | |",
        f"| to the first fold, ours over bare | {begun:.1f} s / {bare:.1f} s = {first:.2f} | ≤ {START:.1f} | "
        f"{verdict(first <= START)} |",
        "",
        f"The last row has the means of {len(single)} pairs, run in turn; single pairs: {single[0]:.2f} to "
        f"{single[-1]:.2f}, median {statistics.median(single):.2f}.",
        "",
    ]
    return "\n".join(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    options = commands.add_parser("run")
    options.add_argument("--trials", type=int, default=60)
    options.add_argument("--repeats", type=int, default=5)
    commands.add_parser("report")
    commands.add_parser("starts").add_argument("--repeats", type=int, default=15)
    hidden = commands.add_parser("_stock")
    for name, kind in (("run", Path), ("trials", int), ("scratch", str)):
        hidden.add_argument(name, type=kind)
    given = parser.parse_args()
    if given.command == "_stock":
        stock(given.run, given.trials, given.scratch)
    elif given.command == "starts":
        with tempfile.TemporaryDirectory(prefix="overhead") as folder:
            more_starts(Path(folder), given.repeats)
    elif given.command == "run":
        RESULTS.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="overhead") as folder:
            line = measure(Path(folder), given.trials, given.repeats)
        with LINES.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line)
    else:
        text = report()
        REPORT.write_text(text)
        print(text)


if __name__ == "__main__":
    main()
