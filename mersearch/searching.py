"""A search from an opened run to its last line: the lease, Ray, the session and what the user sees."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mersearch.ablation import announcement
from mersearch.audit import audit_lines
from mersearch.config.records import Config
from mersearch.console import Watching, closing, mark_synthetic, opening
from mersearch.counted import counted
from mersearch.durations import seconds
from mersearch.errors import TimeUp
from mersearch.honest import keep
from mersearch.ledger import recording
from mersearch.opening import Opened, record_turn, require_room
from mersearch.packed import packed
from mersearch.placing import Place, placed, private_cores, slots_on
from mersearch.report import write_ablation
from mersearch.search import history
from mersearch.search.address import resolve
from mersearch.search.budget import budget_of, room
from mersearch.search.engine import require_success, run_search
from mersearch.search.policies import policy_of
from mersearch.search.ray_cluster import Cluster, cluster
from mersearch.search.samplers import remarks as of_sampler
from mersearch.search.session import Session
from mersearch.search.slots import local_cards, local_cores
from mersearch.spending import most_lines
from mersearch.store import Progress, Recorder, RunDirectory, RunState, RunWriter, progress
from mersearch.store.mirror import mirroring

Say = Callable[[Sequence[str]], None]
"""Prints lines."""


def search(
    opened: Opened,
    address: str | None,
    say: Say,
    *,
    since: float | None = None,
    began: float | None = None,
    again: str = "",
) -> None:
    """Run a search or go on with it until every trial is over or a budget is used up, and say what came out.

    Args:
        opened: the run.
        address: of Ray; None for `RAY_ADDRESS`, or for a private Ray on this machine.
        say: takes the first and the last lines.
        since: moment of `time.monotonic` from which a time budget counts; now by default.
        began: the one from which what is shown as elapsed counts; `since` by default.
        again: the command that goes on, where this search is a part of it: the last lines then say nothing of what
            comes next. `mersearch resume` with the run by default.

    Raises:
        RunError: another process works on the run.
        ClusterError: Ray cannot be reached or started.
        NothingRan: every trial failed.
        Interrupted: stopped, with everything finished kept.
    """
    config = opened.config
    since = time.monotonic() if since is None else since
    began, until = since if began is None else began, _until(config, since)
    with opened.run.writer() as writer:
        require_room(config, len(writer.state.trials))
        writer.write_config(config.to_dict())
        now = standing(opened, writer)
        over, short = now.finished, ""
        tell = partial(_tell, say)
        with (
            recording(opened.run, writer) as ledgered,
            mirroring(opened.run, ledgered, config.run.mirror, tell) as recorder,
        ):
            if not over:
                record_turn(opened, now.folds_done)
                short = _Training(opened, writer, recorder, address, say, until, began, again).run()
        require_success(standing(opened, writer), opened.run.path)
        took = None if over else time.monotonic() - began
        say(_last_lines(opened, writer, took, following=not again))
        say([short] if short else [])


def _tell(say: Say, line: str) -> None:
    say([line])


def standing(opened: Opened, writer: Recorder) -> Progress:
    """Where a run is that is worked on."""
    return standing_of(opened, writer.state)


def standing_of(opened: Opened, state: RunState) -> Progress:
    """Where a run is, with the budgets of its configuration as it is stored: with the share of a card as measured."""
    search = opened.config.search
    budget = budget_of(RunDirectory.open(opened.run.path).config, opened.study.mode)
    return progress(
        state,
        metric=search.metric,
        planned=search.trials,
        ended=budget.reached(state, search.trials),
    )


def _until(config: Config, since: float) -> float | None:
    """The moment of `time.time` until which folds are waited for."""
    if config.search.time_budget is None:
        return None
    whole = seconds("search.time_budget", config.search.time_budget)
    return time.time() + since - time.monotonic() + whole - room(whole)


def _last_lines(opened: Opened, writer: RunWriter, seconds: float | None, *, following: bool) -> list[str]:
    """What came out: the best trial of a search, the table of an ablation."""
    config = opened.config
    if config.ablation is None:
        return closing_lines(opened, writer, seconds, following=following)
    synthetic = _synthetic(config)
    lines = write_ablation(opened.run, writer.state, config, config.ablation)
    return ["", *lines, *([mark_synthetic(synthetic)] if synthetic else [])]


def closing_lines(
    opened: Opened, writer: RunWriter, seconds: float | None, *, following: bool = True
) -> list[str]:
    """The last lines of a search that took `seconds`; None where nothing was left to do.

    `following`: whether they end with what comes next.
    """
    search = opened.config.search
    corrected = keep(opened.run, writer.state)
    return closing(
        standing(opened, writer),
        run=opened.run.path,
        best=writer.state.best(search.metric),
        beside=[*(corrected.lines() if corrected else ()), *audit_lines(writer.state, search.metric)],
        seconds=seconds,
        synthetic=_synthetic(opened.config),
        following=following,
    )


@dataclass(frozen=True, slots=True)
class _Training:
    """What is left of a run to train, by one command.

    Attributes:
        opened: the run.
        writer: its writing end, for the configuration.
        recorder: the same for what is trained, with the ledger and the mirror behind it.
        address: of Ray, as for `search`.
        say: takes lines.
        until: moment of `time.time` until which folds are waited for; None without a budget.
        began: moment of `time.monotonic` from which the time that is shown counts.
        again: as for `search`.
    """

    opened: Opened
    writer: RunWriter
    recorder: Recorder
    address: str | None
    say: Say
    until: float | None
    began: float
    again: str

    def run(self) -> str:
        """Search on Ray; what is to be said where the time budget ended it, else nothing."""
        with contextlib.suppress(TimeUp):
            self._on_ray()
        now, path = standing(self.opened, self.writer), self.opened.run.path
        if self.until is None or now.finished:
            return ""
        left = f"{counted(now.coming, 'trial')} to come, {now.count('running')} open"
        budget = self.opened.config.search.time_budget
        return (
            f"The time budget of {budget} is used up ({left}):\n  {self.again or f'mersearch resume {path}'}"
        )

    def _on_ray(self) -> None:
        """Start or join Ray, see how many trials share a card there, and search."""
        config, mode = self.opened.config, self.opened.study.mode
        address = resolve(self.address)
        local = address == "local"
        cores = private_cores(config) if local else local_cores()
        self.say(["Starting Ray on this machine…" if local else f"Connecting to Ray at {address}…"])
        with cluster(address, cpus=cores, gpus=local_cards(), threads=int(mode["threads"])) as on:
            config, told = packed(config, self.opened.study, on)
            if told:
                self.writer.write_config(config.to_dict())
            where = placed(config, on)
            self.say([*announcement(config.ablation), *_opening_lines(self.opened, self.writer, where)])
            self._search(config, on, [*_remarks(self.opened), *([told] if told else [])])

    def _search(self, config: Config, on: Cluster, remarks: Sequence[str]) -> None:
        """Search on a connected Ray, with `config` as it was measured there, after some remarks."""
        slots, search = slots_on(config, on), config.search
        session = self._session(config, slots.count)
        name, ranked = self.opened.run.name, config.ablation is None
        with Watching(name, search.metric, ranked=ranked, since=self.began) as watcher:
            for remark in remarks:
                watcher.notice(remark)
            run_search(
                session,
                self.opened.study,
                on,
                slots,
                run=self.opened.run.path,
                metric=search.metric,
                watcher=watcher,
                retries=config.trial.retries,
                backend=str(self.opened.study.mode["backend"]),
                again=self.again,
            )

    def _session(self, config: Config, slots: int) -> Session:
        search = config.search
        return Session(
            self.recorder,
            space=config.space,
            trials=search.trials,
            metric=search.metric,
            policy=policy_of(search, seed=config.run.seed),
            seed=config.run.seed,
            sampler=search.sampler,
            startup=search.startup,
            slots=slots,
            points=search.points,
            second=search.second_objective,
            history=history.scored_in(self.opened.run.provenance),
            budget=budget_of(config.to_dict(), self.opened.study.mode),
            deadline=self.until,
        )


def _remarks(opened: Opened) -> list[str]:
    config = opened.config
    earlier = history.remarks(opened.run.provenance)
    return [*opened.remarks, *earlier, *of_sampler(config.search, config.space)]


def _opening_lines(opened: Opened, writer: Recorder, where: Place) -> list[str]:
    search, now = opened.config.search, standing(opened, writer)
    return opening(
        run=opened.run.path,
        trials=search.trials,
        folds=len(opened.run.plan),
        done=now.folds_done,
        slots=where.slots,
        device=str(opened.study.mode["device"]),
        most=most_lines(opened.config, opened.study, where, now),
        synthetic=_synthetic(opened.config),
    )


def _synthetic(config: Config) -> tuple[str, ...]:
    macro = (config.macro.synthetic,) if config.macro.synthetic else ()
    return tuple(source.layout for source in (*config.data.generated.values(), *macro))
