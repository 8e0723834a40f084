"""`mersearch verify`: the searches without each group of subjects, one after another, and what they came to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from mersearch.config.records import Config
from mersearch.errors import ConfigError, Interrupted, NothingRan, Stopped
from mersearch.honest import honest
from mersearch.nested import Group, Nested, groups_of, inner_config, judged, lines
from mersearch.opening import Opened, extend, open_run
from mersearch.outer import train_without
from mersearch.placing import mode_at
from mersearch.preparation import Report
from mersearch.ready import known
from mersearch.searching import Say, search, standing_of
from mersearch.store import FoldRecord, RunDirectory, Trial
from mersearch.store.files import replace
from mersearch.summary import best_lines

FILE: Final = "nested.json"


def verify(
    run: RunDirectory,
    groups: int,
    address: str | None,
    say: Say,
    preparing: Callable[[], AbstractContextManager[Report]],
    *,
    since: float | None = None,
) -> Nested:
    """Search again without each of `groups` groups of subjects, and judge each pick on its group.

    Each search is a run of its own in `RUN/nested-<groups>`; what is finished there is not done again.

    Args:
        run: its configuration says how to search.
        groups: of subjects.
        address: of Ray, as for `search`.
        say: takes lines.
        preparing: shows the progress of what is prepared, while the context lasts.
        since: moment of `time.monotonic` from which a time budget counts; now by default.

    Raises:
        ConfigError: nothing is searched in the run, or the groups do not fit.
        NothingRan: a search has no complete trial.
        TrialFailure: a pick cannot be trained with its group held out.
        Interrupted: a budget, a signal or a failure ended a search or a training before its end.
    """
    since = time.monotonic() if since is None else since
    config = extend(run, ())
    _require_search(run, config)
    members = groups_of(run.plan, groups)
    mode = known(mode_at(config, address))
    with preparing() as report:
        outer = open_run(config, report, mode)
    root, found = run.path / f"nested-{groups}", []
    for number, subjects in enumerate(members):
        inner, began = inner_config(config, root, number, subjects), time.monotonic()
        with preparing() as report:
            opened = open_run(inner, report, mode)
        say(["", f"Group {number + 1} of {groups}: a search without {', '.join(subjects)}"])
        try:
            search(opened, address, say, since=since, began=began, again=_command(run, groups))
        except Interrupted as early:
            raise _continued(early, opened.run, run, groups) from None
        pick = _pick(run, opened, groups)
        try:
            found.append(_group(outer, opened, subjects, pick, address, say))
        except Interrupted as early:
            raise _continued(early, opened.run, run, groups) from None
    result = Nested(config.search.metric, tuple(found))
    replace(root / FILE, json.dumps(result.facts(), indent=2).encode() + b"\n", run.path)
    return result


def verify_lines(run: RunDirectory, found: Nested) -> list[str]:
    """The result, with the scores of the run itself below it."""
    state = run.read()
    beside = best_lines(state, found.metric, honest(run, state))
    return lines(found, ["", f"{run.name} itself:", *(f"  {line}" for line in beside)] if beside else [])


def _pick(run: RunDirectory, opened: Opened, groups: int) -> Trial:
    """The best trial of an inner search that is over."""
    state = opened.run.read()
    if not standing_of(opened, state).finished:
        raise Stopped("a search of the verification is not over", fix=_again(run, groups))
    pick = state.best(opened.config.search.metric)
    if pick is None:
        raise NothingRan(
            "a search must have a complete trial to pick",
            received=f"{opened.run.path}: none",
            fix="more search.trials, or another search.scheduler",
        )
    return pick


def _group(
    outer: Opened, opened: Opened, subjects: tuple[str, ...], pick: Trial, address: str | None, say: Say
) -> Group:
    def train() -> FoldRecord:
        say([f"Training its pick, trial {pick.number}, on everyone else"])
        return train_without(outer.study, opened, subjects, pick, address, say)

    counts = judged(outer.study, opened.run.path, subjects, pick, train)
    score = pick.score(opened.config.search.metric) or 0.0
    return Group(subjects, pick.number, len(opened.run.read_trials().trials), score, counts)


def _command(run: RunDirectory, groups: int) -> str:
    return f"mersearch verify {run.path} --nested {groups}"


def _again(run: RunDirectory, groups: int) -> str:
    return f"{_command(run, groups)} goes on"


def _continued(early: Interrupted, inner: RunDirectory, run: RunDirectory, groups: int) -> Interrupted:
    """The same end, after which the verification goes on and not the search inside it."""
    resume = f"mersearch resume {inner.path}"
    told = early.fix.replace(resume, _command(run, groups)) if resume in early.fix else _again(run, groups)
    return type(early)(early.rule, received=early.received, fix=told)


def _require_search(run: RunDirectory, config: Config) -> None:
    if config.ablation is not None or not (config.space.parameters or config.search.points):
        raise ConfigError(
            "only a search can be verified: something must be chosen",
            received=f"{run.path}: {'an ablation' if config.ablation else 'one configuration'}",
            fix="mersearch evaluate CONFIG.yaml judges one configuration",
        )
