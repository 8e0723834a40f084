"""Folds in several processes: the bits of the loop, one copy of the data, and an end of everything that was begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch.algorithm import Logs, State
from mersearch.errors import ConfigError, ProcessDied, TrialFailure
from mersearch.training import DeviceData, FoldResult, train_chunk
from mersearch.training.processes import Pool
from mersearch.training.sharing import SharedData
from tests.every import DEVICE_DATA, EVERY, FOLDS, LIFELIKE
from tests.toy import Settings, Toy

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
SPOILT = "micro/01"


class Spoilt(Toy):
    """Diverges in the fold of `SPOILT`, or ends its process, or raises."""

    def __init__(self, settings: Settings, how: str) -> None:
        super().__init__(settings, LIFELIKE.shapes)
        self.how = how

    def loss(self, name: str, *arguments: Any) -> tuple[Tensor, State, Logs]:
        loss, state, logs = super().loss(name, *arguments)
        batch = arguments[2]
        if (
            name == "probe"
            and self.how
            and not (batch["micro.subject"] == 1).any()
            and int(arguments[-1]) > 20
        ):
            if self.how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "raise":
                raise RuntimeError("a bug of the algorithm")
            loss = loss * float("nan")
        return loss, state, logs


SETTINGS = Settings(steps=20, batch=64)
"""Batches so large that every person of a fold is in them, but with a chance of 1e-5."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(DEVICE_DATA, 2) as opened:
        yield opened


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bits(results: list[FoldResult]) -> list[tuple[str, bytes, bytes, str]]:
    return [(r.subject, r.logits.tobytes(), r.maps.tobytes(), str(r.diagnostics)) for r in results]


def test_folds_in_processes_have_the_bits_of_the_loop_with_one_thread(
    pool: Pool, algorithm_name: str
) -> None:
    algorithm = EVERY[algorithm_name](LIFELIKE.shapes)
    handed: list[str] = []
    found = train_chunk(
        algorithm,
        DEVICE_DATA,
        FOLDS,
        seed=3,
        backend="processes",
        pool=pool,
        on_fold=lambda result: handed.append(result.subject),
    )
    assert bits(found) == bits(train_chunk(algorithm, DEVICE_DATA, FOLDS, seed=3))
    assert sorted(handed) == sorted(fold.subject for fold in FOLDS)
    assert len(pool.pids) == 2, "the processes stay for the next chunk"


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors of another process are read from /proc")
def test_a_process_holds_a_socket_a_pipe_and_memory_that_no_path_leads_to(pool: Pool) -> None:
    short = Toy(Settings(steps=1), LIFELIKE.shapes)
    train_chunk(short, DEVICE_DATA, FOLDS[:1], seed=1, backend="processes", pool=pool)
    process = Path(f"/proc/{pool.pids[0]}")
    words = process.joinpath("cmdline").read_text().split("\0")[3:-1]
    held = [process.joinpath("fd", word).readlink().as_posix() for word in words]
    assert [link.partition(":")[0] for link in held] == ["socket", "pipe", "/memfd"]


def test_the_seconds_of_folds_are_shares_of_the_time_of_the_chunk(pool: Pool) -> None:
    algorithm = EVERY["toy"](LIFELIKE.shapes)
    start = time.perf_counter()
    found = train_chunk(algorithm, DEVICE_DATA, FOLDS, seed=3, backend="processes", pool=pool)
    assert 0 < sum(result.seconds for result in found) <= time.perf_counter() - start


def test_a_fold_that_diverges_is_named_and_leaves_the_others_as_they_are(pool: Pool) -> None:
    failures: dict[str, TrialFailure] = {}
    found = train_chunk(
        Spoilt(SETTINGS, "nan"),
        DEVICE_DATA,
        FOLDS,
        seed=3,
        backend="processes",
        pool=pool,
        on_failure=failures.__setitem__,
    )
    assert list(failures) == [SPOILT]
    healthy = train_chunk(Spoilt(SETTINGS, ""), DEVICE_DATA, FOLDS, seed=3)
    assert bits(found) == [each for each in bits(healthy) if each[0] != SPOILT]


def test_the_first_fold_that_diverges_fails_the_chunk_and_the_processes_stay(pool: Pool) -> None:
    before = pool.pids
    with pytest.raises(TrialFailure, match=rf"stays finite\n.*nan at step 21, fold {SPOILT},"):
        train_chunk(Spoilt(SETTINGS, "nan"), DEVICE_DATA, FOLDS, seed=3, backend="processes", pool=pool)
    assert pool.pids == before


def test_an_exception_of_the_algorithm_arrives_with_its_traceback(pool: Pool) -> None:
    before = pool.pids
    with pytest.raises(RuntimeError, match="a bug of the algorithm") as caught:
        train_chunk(Spoilt(SETTINGS, "raise"), DEVICE_DATA, FOLDS, seed=3, backend="processes", pool=pool)
    (note,) = caught.value.__notes__
    assert f"fold {SPOILT}:\nTraceback" in note
    assert "in loss" in note
    assert pool.pids == before


def test_a_process_that_dies_is_reported_with_its_fold_and_the_next_chunk_gets_new_ones(pool: Pool) -> None:
    with pytest.raises(ProcessDied, match=rf"ended by signal SIGKILL in fold {SPOILT}\n.*memory"):
        train_chunk(Spoilt(SETTINGS, "die"), DEVICE_DATA, FOLDS, seed=3, backend="processes", pool=pool)
    assert pool.pids == ()
    algorithm = EVERY["toy"](LIFELIKE.shapes)
    assert len(train_chunk(algorithm, DEVICE_DATA, FOLDS[:1], seed=3, backend="processes", pool=pool)) == 1


def test_an_algorithm_that_cannot_be_sent_is_refused(pool: Pool) -> None:
    class Local(Toy):
        pass

    with pytest.raises(ConfigError, match=r"sends the algorithm to other processes\n.*Local cannot be sent"):
        train_chunk(
            Local(SETTINGS, LIFELIKE.shapes), DEVICE_DATA, FOLDS, seed=3, backend="processes", pool=pool
        )


def test_data_on_a_card_are_refused() -> None:
    there = DeviceData(DEVICE_DATA.micro, None, LIFELIKE.shapes, torch.device("cuda"))
    with pytest.raises(ConfigError, match=r"trains on processors\n.*the device cuda"):
        Pool(there, 2)


def test_shared_data_are_the_data_and_are_mapped_rather_than_copied() -> None:
    shared = SharedData(DEVICE_DATA)
    first, second = shared.open(), shared.open()
    shared.close()
    for kind in ("micro", "macro"):
        own, one, two = (getattr(data, kind) for data in (DEVICE_DATA, first, second))
        assert one.ids == own.ids
        assert one.tensors.keys() == own.tensors.keys()
        for name, tensor in own.tensors.items():
            assert torch.equal(one.tensors[name], tensor)
            assert one.tensors[name].dtype == tensor.dtype
        assert np.array_equal(one.labels.emotion, own.labels.emotion)
        one.tensors["emotion"][0] = 99
        assert two.tensors["emotion"][0] == own.tensors["emotion"][0], "what one process writes is its own"
    assert (first.shapes, first.device) == (LIFELIKE.shapes, torch.device("cpu"))


BUSY = """
import sys, torch
from mersearch.training.processes import Pool
from mersearch.training.results import Reports
from tests.every import DEVICE_DATA, FOLDS, LIFELIKE
from tests.toy import Settings, Toy
pool = Pool(DEVICE_DATA, 1)
long = Toy(Settings(steps=10**6), LIFELIKE.shapes)
short = Toy(Settings(steps=1), LIFELIKE.shapes)
pool.train(short, FOLDS[:1], 1, torch.float32, Reports())
print(*pool.pids, flush=True)
pool.train(long, FOLDS, 1, torch.float32, Reports())
"""


def test_no_process_outlives_the_one_that_started_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", BUSY],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(children) == 1
        parent.kill()
        parent.wait(PATIENCE)
    assert gone(children)


@pytest.fixture
def heeding() -> Iterator[None]:
    """Python's own handler of Ctrl-C: what runs in the background of a script is started without one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding")
def test_an_interrupt_ends_the_processes(pool: Pool) -> None:
    short, long = (Toy(Settings(steps=steps), LIFELIKE.shapes) for steps in (1, 10**6))
    train_chunk(short, DEVICE_DATA, FOLDS[:2], seed=3, backend="processes", pool=pool)
    seen = pool.pids
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        train_chunk(long, DEVICE_DATA, FOLDS, seed=3, backend="processes", pool=pool)
    assert len(seen) == 2
    assert pool.pids == ()
    assert gone(seen)


def gone(pids: Sequence[int]) -> bool:
    """Whether these processes end soon."""
    until = time.monotonic() + PATIENCE
    while any(map(alive, pids)) and time.monotonic() < until:
        os.sched_yield()
    return not any(map(alive, pids))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
