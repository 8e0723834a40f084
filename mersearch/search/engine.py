"""Runs a session on Ray Tune until it has nothing left to do, or is stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from mersearch.errors import ClusterError, Interrupted, NothingRan
from mersearch.search.bridge import FAILURES, Bridge, Leave, Watcher
from mersearch.search.events import Events
from mersearch.search.lookout import Lookout
from mersearch.search.ray_cluster import Cluster
from mersearch.search.session import Session
from mersearch.search.slots import Slots
from mersearch.search.worker import Payload
from mersearch.store import Progress

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SHOWN = "\x1b[?25h"
"""Makes the cursor of a terminal visible, which the live table hides."""


def run_search(
    session: Session,
    payload: Payload,
    on: Cluster,
    slots: Slots,
    *,
    run: Path,
    metric: str,
    watcher: Watcher,
    retries: int = 0,
    backend: str = "loop",
    begun: bool = True,
    again: str = "",
) -> None:
    """Run every trial that the session hands out; each finished chunk is in the run directory at once.

    Args:
        session: the search; nothing else may use it meanwhile.
        payload: what workers are sent once.
        on: a connected Ray, to be left after an error: workers of the search may still be busy on it.
        slots: trials side by side, and what each occupies.
        run: the run directory.
        metric: name of the metric, for the curves.
        watcher: shows the search.
        retries: how often a chunk is computed again after an exception of the algorithm.
        backend: of the run, for trials that need more memory than a card has.
        begun: whether another driver may have been training the first missing chunk of a trial that is running.
        again: the command that goes on after an end; `mersearch resume` with the run by default.

    Raises:
        ClusterError: a trial asks for more than a private Ray has, so that it would wait for ever.
        NothingRan: every trial failed.
        Interrupted: SIGINT or SIGTERM arrived, the disk is full, or Ray is gone; everything finished is kept. Where
            Ray's own calls wait for what is gone, the process ends with the same exit code instead.
        MersearchError: the session's own error, or a worker's that cannot load the data.
    """
    if on.private and (slots.cpus > on.cpus or slots.gpus > on.gpus):
        raise ClusterError(
            "one trial must fit into the Ray of this machine",
            received=f"a trial asks for {slots.cpus:g} CPU and {slots.gpus:g} GPU of {on.cpus:g} and {on.gpus:g}",
            fix="lower trial.cpus or trial.gpus",
        )
    events = Events(run, metric)
    end = partial(_end, watcher, again or f"mersearch resume {run}")
    try:
        with _signals() as arrived, Lookout(on.lost, end) as lookout:
            bridge = Bridge(
                session,
                run,
                events,
                watcher,
                lambda: arrived[0] if arrived else "",
                lookout.missing,
                retries=retries,
                gpus=slots.gpus,
                backend=backend,
                begun=begun,
            )
            _fit(bridge, payload, on, slots)
    except Leave as leave:
        raise leave.error from None
    finally:
        events.close()
    require_success(session.progress(), run)


def _fit(bridge: Bridge, payload: Payload, on: Cluster, slots: Slots) -> None:
    from ray import tune

    from mersearch.search.callbacks import Forget, Ticking
    from mersearch.search.prestarted import workers_used
    from mersearch.search.scheduler import SessionScheduler
    from mersearch.search.searcher import SessionSearcher
    from mersearch.search.trainable import TrialActor

    def needed(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        gpus = slots.gpus if config["room"] is None else config["room"]
        return tune.PlacementGroupFactory([{"CPU": slots.cpus, "GPU": gpus}])

    trainable = tune.with_resources(tune.with_parameters(TrialActor, payload=payload), needed)
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=SessionSearcher(bridge),
            scheduler=SessionScheduler(bridge),
            num_samples=-1,
            max_concurrent_trials=slots.count,
            reuse_actors=True,
            trial_dirname_creator=_folder_name,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(on.folder),
            callbacks=[Forget()],
            stop=Ticking(bridge),
            failure_config=tune.FailureConfig(max_failures=-1),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    with workers_used() if on.private else nullcontext():
        tuner.fit()


def _end(watcher: Watcher, again: str, missing: str) -> None:
    """End the process: its main thread waits for a Ray that is gone, and no exception would reach it."""
    watcher.notice(
        f"Ray ended under the search: its {missing} is gone, killed or out of memory; everything finished is kept; "
        f"go on with: {again}"
    )
    if sys.stdout.isatty():
        sys.stdout.write(SHOWN)
    sys.stdout.flush()
    os._exit(Interrupted.exit_code)


def _folder_name(trial: Any) -> str:
    return f"{trial.config['trial']:05d}-{trial.config['number']:06d}"


@contextmanager
def _signals() -> Iterator[list[str]]:
    """Names of the signals that have arrived; the second one of a kind ends the process at once."""
    arrived: list[str] = []

    def note(number: int, frame: object) -> None:  # noqa: ARG001
        arrived.append(signal.Signals(number).name)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require_success(progress: Progress, run: Path) -> None:
    """Raise NothingRan where there are trials and every one has failed."""
    failed = [trial for trial in progress.trials if trial.state == "failed"]
    if not failed or len(failed) < len(progress.trials):
        return
    tracebacks = run / FAILURES
    raise NothingRan(
        f"every trial failed ({len(failed)} of {len(failed)})",
        received=f"trial {failed[0].trial}: {failed[0].why}",
        fix=f"the tracebacks are in {tracebacks}" if tracebacks.is_dir() else "narrow the search space",
    )
