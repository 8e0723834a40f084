"""What `launch --dry-run` shows: the plan of a search, with nothing trained that is kept."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable

from mersearch.algorithm import Shapes
from mersearch.config.records import Config, Search
from mersearch.counted import counted
from mersearch.errors import ConfigError, MersearchError, RunError
from mersearch.holdings import Holdings, fitted
from mersearch.material import require_material
from mersearch.numerics import Mode, mode_on, require_precision, threads_of
from mersearch.opening import as_launched, differences, location, require_room
from mersearch.placing import Place, place_lines
from mersearch.preparation import Material, Report, read
from mersearch.provenance import read_from
from mersearch.ready import current_mode, fold_plan, require_backend, require_cards, settled, shapes_of
from mersearch.sameness import Source
from mersearch.search.budget import HOUR, budget_of
from mersearch.search.history import find_earlier, warm_start
from mersearch.search.samplers import remarks, require_installed
from mersearch.search.slots import local_cards
from mersearch.store import Progress, RunDirectory, is_run, progress
from mersearch.store.bucket import below
from mersearch.store.mirror import require_own, require_unmirrored
from mersearch.timing import noise, seconds_per_fold

WIDTH = 80


def dry_run(config: Config, place: Place, report: Report) -> list[str]:
    """The lines of the plan, at most 80 columns; where the run exists already, what remains of it, or why launch
    would refuse it (`refusal`).

    Reads the databases, looks for the run in its mirror, and where no fold of the run is finished, times a few
    optimiser steps on arrays of noise on this machine; preprocesses nothing, keeps nothing.

    Raises:
        ConfigError: the algorithm needs what the data do not have, cards or packages are missing, or as
            `warm_start`.
        DataError: a database breaks a rule, or as `warm_start`.
    """
    material = read(config, report)
    fit = fitted(config, Holdings.of(material))
    config, material = fit.config, material.without(config.data.without)
    refused = refusal(config)
    if refused is None:
        _require_machine(config, place, new=not is_run(location(config)))
    if refused is None and is_run(location(config)):
        config = as_launched(RunDirectory.open(location(config)), config)
    now = None if refused else _progress(config)
    shapes = shapes_of(config, material)
    require_material(config, shapes, material.macro is not None)
    choice = settled(config, material, _own_mode(config), report)
    config = config if choice is None else choice.applied(config)
    require_backend(config, place.device)
    if refused is None and not is_run(location(config)):
        _require_earlier(config, material, shapes)
    subjects = len(material.micro.subjects)
    rows = [
        ("data", _database(config, material)),
        ("macro", _macro(config, material)),
        (
            "algorithm",
            f"{config.algorithm.name}, {counted(len(config.space.parameters), 'parameter')} searched",
        ),
        *([("fixed", f"{', '.join(config.fixed)} (by your overrides)")] if config.fixed else []),
        *(("absent", remark) for remark in fit.remarks),
        ("folds", _folds(config, subjects)),
        *([("", f"measured: {choice.line}")] if choice is not None else []),
        ("trials", _trials(config)),
        *(("", remark) for remark in remarks(config.search, config.space)),
        ("stopping", _stopping(config.search)),
        *([("budget", _budget(config.search))] if _budget(config.search) else []),
        ("resources", _resources(config, place)),
        *(("", line) for line in place_lines(config, place)),
        ("run", f"{location(config)}{' exists: launch goes on with it' if now else ''}"),
        *([] if refused else _mirror(config)),
        *([("refused", f"launch would end with an error: {refused.rule}")] if refused else []),
        *(_done(now) if now else []),
    ]
    most = _most(now) if now else config.search.trials * subjects
    if most:
        known = now.seconds_per_fold if now else None
        if known is None:
            report("timing a few steps on this machine", 0, 0)
        seconds = known or seconds_per_fold(config, material, shapes, _own_mode(config))
        how = _how(place, measured=known is not None)
        whole = f"about {_duration(seconds * most / place.slots)}"
        saved = "" if config.search.scheduler == "none" else "; stopping saves a part"
        rows.append(("time", f"{whole}: {counted(most, 'fold')} of about {seconds:.1f} s, {how}{saved}"))
        rows += _cards(place, most, seconds)
    lines = [part for name, text in rows for part in _wrapped(name, text)]
    return ["plan (nothing was trained or preprocessed)", *lines]


def refusal(config: Config) -> MersearchError | None:
    """Why a launch would neither start the run nor go on with it; None where it would.

    What takes the data to know is not looked at here but raised by `dry_run`: that the run of `search.warm_start` is
    about other clips, or that none of its trials counts in the new search.

    Raises:
        RunError: the run cannot be read.
    """
    path, mirror = location(config), config.run.mirror
    if not is_run(path):
        return (
            _refused(lambda: find_earlier(config))
            or _refused(lambda: require_unmirrored(mirror, config.run.name))
            or _refused(lambda: RunDirectory.require_possible(path))
        )
    run = RunDirectory.open(path)
    trials = len(run.read().trials)
    return (
        _refused(lambda: differences(run, as_launched(run, config)))
        or _refused(lambda: require_room(config, trials))
        or _refused(lambda: require_own(run, mirror))
    )


def _require_machine(config: Config, place: Place, *, new: bool) -> None:
    """Raise what launch raises of cards and, for a new run, of packages that a configuration needs."""
    require_cards(config, {"device": place.device})
    if new:
        require_installed(config.search.sampler)
    if new and not place.cluster:
        require_precision(current_mode(config))


def _require_earlier(config: Config, material: Material, shapes: Shapes) -> None:
    """Raise what launch raises of the run of `search.warm_start`, for data of which nothing is preprocessed."""
    earlier = find_earlier(config)
    if earlier is not None:
        plan = fold_plan(noise(material, dataclasses.replace(shapes, frames=1, size=1)), config.folds.chunk)
        warm_start(config, Source(config.run.name, read_from(config, material), plan), earlier)


def _refused(check: Callable[[], object]) -> MersearchError | None:
    """What a check raises."""
    try:
        check()
    except (ConfigError, RunError) as error:
        return error
    return None


def _mirror(config: Config) -> list[tuple[str, str]]:
    """Where the run is put too."""
    address = config.run.mirror
    if address is None:
        return []
    return [("mirror", f"every finished chunk goes to {below(address, config.run.name)} too")]


def _folds(config: Config, subjects: int) -> str:
    ways = {"loop": "one after another", "fused": "as one program", "processes": "a process per core"}
    name, _, captured = config.folds.backend.partition("-")
    way = ways[name] + (", steps replayed as CUDA graphs" if captured else "")
    way += ", in mixed precision (bfloat16)" if config.folds.precision == "bfloat16" else ""
    return f"{subjects} per trial (one per subject), in chunks of {config.folds.chunk}, {way}"


def _progress(config: Config) -> Progress | None:
    """How far the run is that a launch would go on with; None where it would be a new one."""
    if not is_run(location(config)):
        return None
    run = RunDirectory.open(location(config))
    state = run.read()
    planned = config.search.trials
    ended = budget_of(config.to_dict(), run.provenance["mode"]).reached(state, planned)
    return progress(state, metric=config.search.metric, planned=planned, ended=ended)


def _done(now: Progress) -> list[tuple[str, str]]:
    over = len(now.trials) - now.count("running")
    done = (
        f"{over} of {now.planned} trials over, {now.count('running')} open; {counted(now.folds_done, 'fold')}"
    )
    left = f"at most {counted(_most(now), 'fold')}" if _most(now) else "nothing"
    return [("done", done), ("remains", f"{left}{'; ' if now.shortfall else ''}{now.shortfall}")]


def _most(now: Progress) -> int:
    """Folds that are left if no trial is stopped early."""
    return now.open_folds + now.coming * now.folds


def _stopping(search: Search) -> str:
    if search.scheduler == "none":
        return "none"
    race = search.scheduler == "race"
    rungs = ", ".join(f"{share:g}" for share in (search.race.rungs if race else search.rungs))
    rule = f"race against the best complete trial, {search.race.alpha}," if race else "ASHA"
    return f"{rule} after {rungs} of the folds"


def _budget(search: Search) -> str:
    parts = (
        f"{search.time_budget} for the command" if search.time_budget else "",
        f"{search.gpu_hours:g} GPU-hours for the run" if search.gpu_hours else "",
        "ends when no more is to be gained" if search.stop_when_flat else "",
    )
    return ", ".join(part for part in parts if part)


def _resources(config: Config, place: Place) -> str:
    where = f"the cluster at {place.cluster}" if place.cluster else "this machine"
    threads = threads_of(config)
    return f"{counted(place.slots, 'trial')} at once on {where} ({place.device}), {counted(threads, 'thread')} each"


def _cards(place: Place, folds: int, seconds: float) -> list[tuple[str, str]]:
    """The hours of cards if no trial is stopped early; nothing on processors."""
    if not place.gpus:
        return []
    hours = folds * seconds * place.gpus / HOUR
    return [("cards", f"about {hours:.3g} GPU-hours, at {counted(place.gpus, 'card')} per trial")]


def _how(place: Place, *, measured: bool) -> str:
    if measured:
        return "the mean so far"
    here = "on this machine, which is not the cluster" if place.cluster else "here"
    return f"timed {here} on a few steps at the default settings"


def _own_mode(config: Config) -> Mode:
    """The numeric mode in which the estimate is timed: a card's only where this machine has one."""
    return current_mode(config) if local_cards() else mode_on(config, "cpu")


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {name:10s} ",
        subsequent_indent=" " * 13,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _trials(config: Config) -> str:
    search = config.search
    given = f" (the first {len(search.points)} given by search.points)" if search.points else ""
    earlier = f", which knows those of {search.warm_start}" if search.warm_start else ""
    return f"{search.trials} by {search.sampler}{earlier}{given}, metric {search.metric}"


def _macro(config: Config, material: Material) -> str:
    if material.macro is None:
        return "none"
    kind = "SYNTHETIC, in the layout of " if config.macro.synthetic else ""
    return f"{kind}{material.macro.name}, {counted(len(material.macro.clips), 'clip')}"


def _database(config: Config, material: Material) -> str:
    database = material.micro
    counts = ", ".join(f"{name} {count}" for name, count in database.counts().items())
    kind = "SYNTHETIC, in the layout of " if config.data.synthetic else ""
    return (
        f"{kind}{database.name}, {config.data.labels}: {counted(len(database.clips), 'clip')} of "
        f"{counted(len(database.subjects), 'subject')} ({counts})"
    )


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes / 60:.1f} hours" if minutes > 90 else f"{max(1, round(minutes))} min"
