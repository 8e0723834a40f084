"""The best configurations of a run as YAML files that run again."""

from __future__ import annotations

import dataclasses
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mersearch.by_database import scores_by_database
from mersearch.config.load import read_back
from mersearch.config.records import Config
from mersearch.errors import RunError
from mersearch.front import fold_cost, front
from mersearch.honest import Honest, keep_if_free
from mersearch.metrics import METRICS
from mersearch.store import RunDirectory, Trial
from mersearch.store.files import new_folder, replace
from mersearch.store.writer import yaml_bytes
from mersearch.summary import best_lines


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written.

    Attributes:
        files: `best.yaml`, `best-2.yaml`, …
        lines: the score of the best trial as it was found, and the corrected one beside it.
    """

    files: tuple[Path, ...]
    lines: tuple[str, ...]


def export(run: RunDirectory, *, top: int = 1, folder: Path | None = None, pareto: bool = False) -> Exported:
    """Write the configurations of the `top` complete trials, the best first.

    Args:
        run: a run with at least one complete trial.
        top: how many; fewer where fewer trials are complete.
        folder: where to; `<run>/export` by default.
        pareto: write instead those that no other one matches in less time per fold.

    Returns:
        The files, and what is to be said of the best trial.

    Raises:
        RunError: no trial is complete, or the folder is not writable.
        Interrupted: the disk is full.
    """
    config = read_back(run.config, run.path / "config.yaml")
    state = run.read()
    ranked = state.ranking(config.search.metric)
    if not ranked:
        raise RunError(
            "only a trial with all folds can be exported",
            received=f"{run.path}: no trial is complete",
            fix=f"go on with the search: mersearch resume {run.path}",
        )
    found = keep_if_free(run, state)
    target = new_folder(folder or run.path / "export", None)
    files = []
    chosen = front(state, config.search.metric) if pareto else ranked[:top]
    for place, trial in enumerate(chosen, 1):
        file = target / ("best.yaml" if place == 1 else f"best-{place}.yaml")
        replace(
            file,
            _header(run, trial, ranked.index(trial) + 1, len(ranked), file, found)
            + yaml_bytes(_values(run, config, trial, found)),
            None,
        )
        files.append(file)
    return Exported(tuple(files), tuple(best_lines(state, config.search.metric, found)))


def _values(run: RunDirectory, config: Config, trial: Trial, found: Honest | None) -> dict[str, Any]:
    pinned = config.pinned(trial.parameters)
    here = dataclasses.replace(
        pinned,
        run=dataclasses.replace(pinned.run, name=f"{run.name}-trial{trial.number}"),
        data=dataclasses.replace(
            pinned.data,
            root=pinned.data.root and _absolute(pinned.data.root),
            roots={name: _absolute(root) for name, root in pinned.data.roots.items()},
        ),
        macro=dataclasses.replace(pinned.macro, root=pinned.macro.root and _absolute(pinned.macro.root)),
        preprocess=dataclasses.replace(
            pinned.preprocess,
            landmarks=pinned.preprocess.landmarks and _absolute(pinned.preprocess.landmarks),
        ),
        cache=_absolute(pinned.cache),
        folds=dataclasses.replace(pinned.folds, backend=trial.backend or pinned.folds.backend),  # type: ignore[arg-type]
    )
    mode = run.provenance["mode"]
    scores = {name: METRICS[name](trial.confusions[-1]) for name in METRICS}
    turns = run.provenance.get("turns", [])
    return {
        "exported": {
            "run": run.name,
            "trial": trial.number,
            **scores,
            **({"databases": databases} if (databases := scores_by_database(trial)) else {}),
            "seconds_per_fold": fold_cost(trial),
            **({"corrected": found.facts()} if found and found.trial == trial.number else {}),
            "data": run.provenance["data"]["digest"],
            "mode": {**mode, "backend": trial.backend} if trial.backend else mode,
            **({"other_modes": [turn["mode"] for turn in turns]} if turns else {}),
        },
        **here.to_dict(),
    }


def _header(
    run: RunDirectory, trial: Trial, place: int, complete: int, file: Path, found: Honest | None
) -> bytes:
    which = "best" if place == 1 else f"number {place}"
    text = (
        f"The {which} of {complete} complete configurations of the run {run.name} (trial {trial.number}), with every "
        "key resolved. The scores under `exported` are those of the search itself: the best of many trials looks "
        "better than it is."
    )
    expected = found.lines() if found and found.trial == trial.number else []
    commands = (f"mersearch evaluate {file}", f"mersearch train {file} -o model.safetensors")
    lines = [*textwrap.wrap(text, 100), *expected, *commands]
    return "".join(f"# {line}\n" for line in lines).encode()


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
