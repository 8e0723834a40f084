"""A search of seconds over databases on disk, and what two runs of it are compared by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.storages.journal import JournalFileBackend

from mersearch.data.synthetic import synthesize
from mersearch.store import RunDirectory
from tests.commands import Command

TRIALS = 13
"""The Parzen estimator takes over after ten scored trials, so that it proposes too."""
LOGS = ("trials.jsonl", "folds.jsonl", "verdicts.jsonl")
CHANGING = ("time", "seconds", "node", "attempt", "gpus")
"""Fields of a log line that say when and where, not what."""


BASE: dict[str, Any] = {
    "defaults": [
        {"data": "casme2"},
        {"macro": "ckplus"},
        {"preprocess": "small"},
        {"algorithm": "quintuplet"},
        "_self_",
    ],
    "data": {"root": "casme2"},
    "macro": {"root": "ckplus"},
    "preprocess": {"frames": 2, "size": 16, "flow_size": 32},
    "trial": {"gpus": 0},
    "search": {"concurrency": 1},
    "algorithm": {
        "mask": {"steps": 2, "width": 4, "batch": 4},
        "encoder": {"width": 4, "dim": 8},
        "attention": {"heads": 2},
        "batch": {"quintuplets": 2},
    },
}
"""The smallest configuration that exercises everything, over databases in `casme2` and `ckplus`."""


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`more` put into `values`, section by section; neither is changed."""
    return values | {
        key: merged(values[key], value) if isinstance(value, dict) and key in values else value
        for key, value in more.items()
    }


@dataclass(frozen=True)
class Tiny:
    """A folder with two databases, the search space `tiny.yaml` and the runs over it."""

    folder: Path

    def start(self, *arguments: str, path: Path | None = None) -> Command:
        """A `mersearch` command in the folder, with `path` on PYTHONPATH."""
        return Command(self.folder, *arguments, path=path)

    def do(self, *arguments: str) -> str:
        """A command from start to end; what it printed."""
        with self.start(*arguments) as command:
            return command.ended()

    def run(self, name: str) -> RunDirectory:
        """A run that was launched."""
        return RunDirectory.open(self.folder / "runs" / name)

    def lines(self, name: str, log: str) -> int:
        """Lines in a log of a run; 0 before there is a run."""
        file = self.folder / "runs" / name / log
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def prepared(self, cache: str) -> int:
        """Clips that are finished in a cache."""
        return sum(file.read_bytes().count(b"\n") for file in self.folder.glob(f"{cache}/*/done.jsonl"))


def make(folder: Path) -> Tiny:
    """Write the databases (three subjects each) and the search space."""
    synthesize(folder / "casme2", "casme2", subjects=3, clips=12, seed=0, size=0.5)
    synthesize(folder / "ckplus", "ckplus", subjects=3, clips=14, seed=0, size=0.5)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(space(), sort_keys=False))
    return Tiny(folder)


def space() -> dict[str, Any]:
    """Four parameters, one of them conditional; one look at a trial, after two folds."""

    def dimension(**keys: Any) -> dict[str, Any]:
        return {**keys, "why": "Wide enough that trials differ."}

    macro = "algorithm.quintuplet.macro"
    more = {
        "run": {"seed": 3},
        "preprocess": {"cache": "cache"},
        "search": {"trials": TRIALS, "min_peers": 1, "rungs": [0.5]},
        "space": {
            "algorithm": {
                "train": {
                    "lr": dimension(low=1e-3, high=5e-2, log=True),
                    "steps": dimension(low=3, high=8),
                },
                "quintuplet": {
                    "macro": dimension(choices=[True, False]),
                    "margin_macro": dimension(low=0.1, high=1.2, when={macro: True}),
                },
            }
        },
    }
    return merged(BASE, more)


def log(run: RunDirectory, name: str) -> list[dict[str, Any]]:
    """The lines of a log, without when and where."""
    lines = [json.loads(line) for line in (run.path / name).read_bytes().splitlines()]
    return [{key: value for key, value in line.items() if key not in CHANGING} for line in lines]


def story(run: RunDirectory) -> dict[str, Any]:
    """Everything that a search proposed, computed and decided, in order."""
    return {name: log(run, name) for name in LOGS}


def predictions(run: RunDirectory) -> dict[tuple[str, str], Any]:
    """Configuration and subject → clips, labels, logits and diagnostics of the fold; each is there once."""
    found: dict[tuple[str, str], Any] = {}
    for line in log(run, "folds.jsonl"):
        fold = line["configuration"], line["subject"]
        assert fold not in found, f"{fold} is there twice"
        found[fold] = [line[name] for name in ("clips", "labels", "logits", "diagnostics")]
    return found


def maps(run: RunDirectory) -> dict[str, bytes]:
    """The maps of a run: file → content."""
    return {
        str(file.relative_to(run.path)): file.read_bytes() for file in sorted(run.path.glob("maps/**/*.npy"))
    }


def optuna_trials(run: RunDirectory) -> list[optuna.trial.FrozenTrial]:
    """The trials as Optuna's dashboard reads them."""
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(run.path / "study.journal")))
    return optuna.load_study(study_name=run.name, storage=storage).trials
