"""A run is created, or opened again: the same path for `launch`, `resume` and `evaluate`."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mersearch.config.load import load as load_config
from mersearch.config.load import read_back
from mersearch.config.records import Config
from mersearch.config.sources import Sources
from mersearch.data.cache_index import INDEX, Prepared
from mersearch.data.files import grouped
from mersearch.data.table import Note
from mersearch.errors import ConfigError, DataError
from mersearch.holdings import Holdings, fitted
from mersearch.ledger import WARM_START
from mersearch.numerics import difference, with_folds
from mersearch.preparation import Report, preprocess, read
from mersearch.provenance import sources
from mersearch.ready import AskedMode, current_mode, known, make_ready, require_cards, study_of, waiting
from mersearch.sameness import Source
from mersearch.search.history import find_earlier, warm_start
from mersearch.search.worker import Study
from mersearch.store import RunDirectory, is_run
from mersearch.store.directory import CONFIG, PROVENANCE
from mersearch.store.files import replace
from mersearch.store.lease import require_idle
from mersearch.store.mirror import require_unmirrored

EXTENDABLE = (
    "search.trials",
    "search.concurrency",
    "search.time_budget",
    "search.gpu_hours",
    "search.stop_when_flat",
    "cluster",
    "trial.gpus",
    "trial.retries",
)
"""Keys, or groups of keys, that may change when a run goes on; every other key is part of what its numbers mean."""
DATA_PLACES = ("data.root", "data.roots", "macro.root", "preprocess.cache", "preprocess.landmarks")
"""Keys, or groups of keys, that may change because files moved; the data are read again there, and their digest must
be the same."""
PLACES = ("run.root", "run.name", "run.ledger", "run.mirror", *DATA_PLACES)
ON_RESUME = (*EXTENDABLE, "run.mirror", *DATA_PLACES)
"""Keys, or groups of keys, that `resume` takes."""
NAMED = 2
"""Clips that a remark names."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A run on disk, ready to be worked on.

    Attributes:
        config: as it is stored now.
        new: whether this call created the run.
        remarks: lines that the user should see.
        turn: numeric mode and code of now, where they are not those of the last time; None where they are.
    """

    run: RunDirectory
    config: Config
    study: Study
    new: bool
    remarks: tuple[str, ...] = ()
    turn: dict[str, Any] | None = None


def location(config: Config) -> Path:
    """The folder of the run."""
    return Path(config.run.root).expanduser() / config.run.name


def open_run(config: Config, report: Report, mode: AskedMode | None = None) -> Opened:
    """Create the run of `config`, or open it where it exists.

    Args:
        config: of the run.
        report: takes the progress of what is prepared.
        mode: numeric mode of the workers, asked for only where something is left to train; that of this machine by
            default.

    Raises:
        ConfigError: the run exists with another configuration, as `make_ready`, or as `warm_start`.
        DataError: a database breaks a rule, is not the one of the launch, or as `warm_start`.
        RunError: the folder cannot be used, or as `require_unmirrored`.
        Interrupted: as `make_ready`.
    """
    path = location(config)
    if is_run(path):
        run = RunDirectory.open(path)
        config = as_launched(run, config)
        return _reopen(run, config, report, mode or current_mode(config))
    earlier = find_earlier(config)
    require_unmirrored(config.run.mirror, config.run.name)
    RunDirectory.require_free(path)
    ready = make_ready(config, report, mode)
    config = ready.study.config
    plan, provenance = ready.study.plan, ready.provenance
    if earlier is not None:
        now = Source(config.run.name, provenance["data"], plan)
        provenance = {**provenance, WARM_START: warm_start(config, now, earlier)}
    run = RunDirectory.create(path, config=config.to_dict(), provenance=provenance, plan=plan)
    remarks = (*ready.remarks, *_noted(provenance["data"]))
    return Opened(run, config, ready.study, new=True, remarks=remarks)


def _noted(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What preprocessing has to tell of clips, a line per reason."""
    clips = sum(database["clips"] for database in data["databases"])
    groups = grouped([Note(*pair) for pair in data["notes"]])
    return tuple(
        f"{len(ids)} of {clips} clips: {reason} ({', '.join(ids[:NAMED])}{', …' if len(ids) > NAMED else ''})"
        for reason, ids in groups.items()
    )


def as_launched(run: RunDirectory, config: Config) -> Config:
    """`config` as the run itself was launched: without what its data lack, its measured choices repeated."""
    if config.folds.batch == "auto":
        measured = read_back(run.config, run.path / CONFIG).folds
        folds = dataclasses.replace(measured, precision=config.folds.precision)
        config = dataclasses.replace(config, folds=folds)
    held = run.provenance["data"].get("holds")
    if held is None:
        return config
    return fitted(config, Holdings(**(held | {"views": tuple(held["views"])}))).config


def differences(run: RunDirectory, config: Config) -> list[tuple[str, Any, Any]]:
    """Keys that a run and `config` do not agree in, with both values.

    Raises:
        ConfigError: one of them may not change when a run goes on, or the stored configuration breaks a rule.
    """
    changed = _differences(_stored(run), config.to_dict())
    conflicts = _conflicts(changed)
    if conflicts:
        raise ConfigError(
            f"the run {run.path} exists with another configuration",
            received="; ".join(conflicts[:6]) + ("; …" if len(conflicts) > 6 else ""),
            fix=f"choose another run.name=…, or go on with it as it is: mersearch resume {run.path}",
        )
    return changed


def _stored(run: RunDirectory) -> dict[str, Any]:
    """The stored configuration, in which keys that the version of its launch did not have take their defaults.

    A section that is not there at all was lost, so it stays away.
    """
    whole = read_back(run.config, run.path / CONFIG).to_dict()
    return {name: whole.get(name, section) for name, section in run.config.items()}


def require_room(config: Config, trials: int) -> None:
    """Raise ConfigError where a run has more trials than `config` plans."""
    if config.search.trials < trials:
        raise ConfigError(
            "a run keeps the trials that it has",
            received=f"search.trials={config.search.trials}, and {trials} were started",
            fix=f"search.trials={trials} or more; Ctrl-C ends a search early",
        )


def _reopen(run: RunDirectory, config: Config, report: Report, asked: AskedMode) -> Opened:
    changed = differences(run, config)
    keys = [key for key, _, _ in changed]
    prepared = _prepared(run, config, report, moved=any(_among(key, DATA_PLACES) for key in keys))
    if callable(asked) and not _over(run, config):
        require_idle(run.path)
        report(waiting(config, len(run.plan)), 0, 0)
    over = callable(asked) and _over(run, config)
    mode = _last(run)["mode"] if over else with_folds(known(asked), config)
    require_cards(config, mode)
    code = sources(config.algorithm.name)
    now = {"mode": mode, "sources": code}
    remarks = [f"{key}: {old} → {new}" for key, old, new in changed]
    turn = None if now == _last(run) else now
    if other := difference(run.provenance["mode"], mode):
        text = "another numeric mode than at launch, so new predictions agree within tolerance only: "
        remarks.append(text + "; ".join(other))
    if run.provenance["code"]["sources"] != code:
        remarks.append(
            "other code than at launch: new predictions may differ from what the old code would have given"
        )
    return Opened(run, config, study_of(config, prepared, run.plan, mode), False, tuple(remarks), turn)


def _over(run: RunDirectory, config: Config) -> bool:
    """Whether every trial is over that `config` plans or the space has, so that nothing is left to train."""
    state = run.read()
    return (state.exhausted or len(state.trials) >= config.search.trials) and not state.in_state("running")


def _among(key: str, keys: Sequence[str]) -> bool:
    """Whether a key is one of these, or lies in a group that is."""
    return any(key == known or key.startswith(f"{known}.") for known in keys)


def _conflicts(changed: Sequence[tuple[str, Any, Any]]) -> list[str]:
    """What may not change when a run goes on; parameters of the search space by their names only."""
    fatal = [entry for entry in changed if not _among(entry[0], (*EXTENDABLE, *PLACES, "fixed"))]
    plain = [f"{key}: {old!r} → {new!r}" for key, old, new in fatal if not key.startswith("space.")]
    searched = [key.removeprefix("space.") for key, _, _ in fatal if key.startswith("space.")]
    return [*plain, *([f"another search of {', '.join(searched[:4])}"] if searched else [])]


def _last(run: RunDirectory) -> dict[str, Any]:
    """Numeric mode and code with which the run was last worked on."""
    launch = {"mode": run.provenance["mode"], "sources": run.provenance["code"]["sources"]}
    turns = run.provenance.get("turns") or [launch]
    return {name: turns[-1][name] for name in launch}


def record_turn(opened: Opened, folds: int) -> None:
    """Store that the run goes on in another numeric mode or with other code, after `folds` lines of its folds log.

    Call it under the lease. Raises what a write to the run raises.
    """
    if opened.turn is None:
        return
    before = opened.run.provenance
    values = {**before, "turns": [*before.get("turns", []), {"after_folds": folds, **opened.turn}]}
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    replace(opened.run.path / PROVENANCE, text.encode() + b"\n", opened.run.path)


def _prepared(run: RunDirectory, config: Config, report: Report, *, moved: bool) -> Prepared:
    data = run.provenance["data"]
    caches = [Path(folder) for folder in data["caches"]]
    if not moved and all((folder / INDEX).is_file() for folder in caches):
        macro = caches[1] if len(caches) > 1 else None
        return Prepared(caches[0], macro, data["digest"], ())
    prepared = preprocess(config, read(config, report), report)
    if prepared.digest != data["digest"]:
        raise DataError(
            "a run goes on with the data it was launched with",
            received=f"data {prepared.digest[:12]}, launched with {data['digest'][:12]}",
            fix=f"restore the database and OpenCV {_opencv(run)}, or start a new run with another run.name",
        )
    return prepared


def _opencv(run: RunDirectory) -> str:
    """The version with which the clips of a run were preprocessed."""
    return str(run.provenance["environment"]["packages"].get("opencv-python-headless", "of another version"))


def extend(run: RunDirectory, overrides: Sequence[str]) -> Config:
    """The stored configuration with the keys changed that may change when a run goes on.

    Raises:
        ConfigError: a key that is part of what the run's numbers mean, or a bad value.
        RunError: the stored configuration cannot be read.
    """
    from mersearch.config.overrides import parse_overrides

    values = copy.deepcopy(run.config)
    typed = parse_overrides(overrides)
    for override in typed:
        if not override.plain or "." not in override.key or not _among(override.key, ON_RESUME):
            raise ConfigError(
                f"a run goes on with its own configuration; only {_listed(ON_RESUME)} may change",
                received=override.text,
                fix="start a new run for another configuration: mersearch launch SPACE run.name=… …",
            )
        run.setting("search", "trials")
        _put(values, override.key, override.value)
    places = Sources.of_file(run.path / "config.yaml")
    named = tuple((override.key, override.text) for override in typed)
    config = load_config(values, dataclasses.replace(places, overrides=named))
    where = dataclasses.replace(config.run, root=str(run.path.parent), name=run.path.name)
    return dataclasses.replace(config, run=where)


def _listed(keys: Sequence[str]) -> str:
    return f"{', '.join(keys[:-1])} and {keys[-1]}"


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, also below one that was lost or left empty; what else stands there the schema refuses."""
    *parents, name = key.split(".")
    node = values
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        if not isinstance(node[parent], dict):
            return
        node = node[parent]
    node[name] = value


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    found = []
    for key in dict.fromkeys([*old, *new]):
        path, before, after = f"{prefix}{key}", old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _differences(before, after, f"{path}.")
        elif before != after:
            found.append((path, before, after))
    return found
