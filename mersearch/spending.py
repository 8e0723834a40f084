"""What a search may take of the cards at the most, said before it starts."""

from __future__ import annotations

from mersearch.config.records import Config
from mersearch.counted import counted
from mersearch.durations import seconds
from mersearch.measuring import fold_seconds
from mersearch.placing import Place, place_lines
from mersearch.search.budget import HOUR
from mersearch.search.probe import asked
from mersearch.search.worker import Study
from mersearch.store import Progress


def most_lines(config: Config, study: Study, where: Place, now: Progress) -> list[str]:
    """Machines and hours of cards that the rest of a search may take, with what is odd about the place.

    Nothing about cards on processors.

    Where no fold is finished yet, a worker of the connected Ray times a few optimiser steps first.

    Args:
        config: of the search.
        study: what its workers train.
        where: it runs.
        now: how far it is.
    """
    lines, folds = place_lines(config, where), now.open_folds + now.coming * now.folds
    if not where.gpus or not folds:
        return lines
    each, how = now.seconds_per_fold, "the mean so far"
    if each is None:
        each = asked(fold_seconds, study, cpus=config.trial.cpus, gpus=where.gpus)
        how = "timed on a worker on a few steps at the default settings"
    lines.append(
        f"at most {counted(folds, 'fold')}, each on {counted(where.gpus, 'card')}{_hours(folds, each, where, how)}"
    )
    if limit := config.search.gpu_hours:
        lines.append(f"no more than {limit:g} GPU-hours (search.gpu_hours)")
    if (budget := config.search.time_budget) is not None:
        held = where.slots * where.gpus * seconds("search.time_budget", budget) / HOUR
        lines.append(f"no more than {held:.3g} GPU-hours (search.time_budget={budget})")
    return lines


def _hours(folds: int, each: float | None, where: Place, how: str) -> str:
    if each is None:
        return "; how long a fold takes could not be timed"
    return f": {folds * each * where.gpus / HOUR:.3g} GPU-hours, a fold of {each:.3g} s ({how})"
