"""How folds are trained: given, or measured at launch, kept for the whole run and repeated afterwards."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from mersearch import batching
from mersearch.batching import FILE, Candidate, Choice, candidates, fastest
from mersearch.config import compose
from mersearch.config.records import Config
from mersearch.errors import ConfigError, MersearchError
from mersearch.numerics import difference, mode_on
from mersearch.opening import Opened, open_run
from mersearch.placing import place as place_of
from mersearch.planning import Place, dry_run
from mersearch.ready import require_backend
from mersearch.timing import Trial
from mersearch.training import DeviceData
from tests.every import DEVICE_DATA, EVERY, FOLDS, LIFELIKE
from tests.test_commands import QUICK, quiet

TWO_CORES = ("trial.cpus=2", "trial.gpus=0", "folds.batch=auto")


def config_of(*overrides: str) -> Config:
    return compose("quintuplet", [*QUICK, *overrides])


def test_with_one_core_per_trial_there_is_only_the_loop() -> None:
    assert candidates(config_of("folds.chunk=4"), "cpu", 26) == [Candidate("loop", 4)]


def test_on_processors_folds_are_never_fused_and_processes_get_a_chunk_that_keeps_all_of_them_busy() -> None:
    found = candidates(config_of("trial.cpus=4"), "cpu", 26)
    assert found == [Candidate("loop", 1), Candidate("processes", 4)]
    assert candidates(config_of("trial.cpus=4", "folds.chunk=6"), "cpu", 26)[1].chunk == 6
    assert candidates(config_of("trial.cpus=4"), "cpu", 3)[1].chunk == 3


def test_on_a_card_a_chunk_is_no_larger_than_the_folds_before_the_first_stop() -> None:
    def fused(*overrides: str) -> list[int]:
        found = candidates(config_of(*overrides), "cuda", 26)
        assert found[0] == Candidate("loop", 1)
        return [each.chunk for each in found[1:] if each.backend == "fused"]

    assert fused("search.scheduler=none") == [2, 4, 8, 16, 26]
    assert fused("search.scheduler=asha", "search.rungs=[0.25,0.5]") == [2, 4, 7], "⌈26 / 4⌉ = 7"
    assert fused("search.scheduler=race", "search.race.rungs=[0.05]") == [2, 3], (
        "race looks after three at the earliest"
    )


def costs(**seconds: float | None) -> batching.Measure:
    """A measurement that finds these seconds per `<backend>_<chunk>`; None = no room."""

    def measure(candidate: Candidate) -> Candidate:
        found = seconds[f"{candidate.backend}_{candidate.chunk}"]
        return dataclasses.replace(candidate, seconds=found, bytes=0 if found else 3 * 2**30)

    return measure


def test_the_least_seconds_per_fold_win_and_the_loop_wins_a_draw() -> None:
    both = [Candidate("loop", 1), Candidate("processes", 2)]
    choice = fastest(both, costs(loop_1=2.0, processes_2=1.1))
    assert (choice.backend, choice.chunk) == ("processes", 2)
    assert choice.line == (
        "processes, chunks of 2: the fastest here, in seconds per fold "
        "(loop, chunks of 1: 2 s; processes, chunks of 2: 1.1 s)"
    )
    assert fastest(both, costs(loop_1=2.0, processes_2=2.0)).backend == "loop"


def test_a_chunk_that_does_not_fit_is_refused_and_larger_ones_are_not_tried() -> None:
    found = [Candidate("loop", 1), Candidate("fused", 2), Candidate("fused", 4), Candidate("fused", 8)]
    choice = fastest(found, costs(loop_1=2.0, fused_2=1.0, fused_4=None))
    assert (choice.backend, choice.chunk) == ("fused", 2)
    assert "fused, chunks of 4: refused, about 3.0 GiB" in choice.line
    assert [each.chunk for each in choice.measured if each.seconds is None] == [4, 8]
    with pytest.raises(MersearchError, match="must fit into the memory"):
        fastest(found[1:2], costs(fused_2=None))


class Started:
    """A pool that counts how many processes it was asked for, and starts none."""

    asked: ClassVar[list[int]] = []
    pids = (os.getpid(),)

    def __init__(self, data: object, processes: int) -> None:
        self.asked.append(processes)

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def test_processes_that_do_not_fit_are_refused_after_one_of_them_was_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "Pool", Started)
    monkeypatch.setattr(batching, "seconds_of", lambda *arguments, **options: 3.0)
    trial = Trial(EVERY["toy"](LIFELIKE.shapes), DEVICE_DATA, FOLDS)
    measure = partial(batching._measured, trial, 1, mode_on(config_of(), "cpu"), 2, 1)
    several = Candidate("processes", 2)
    assert measure(several) == Candidate("processes", 2, seconds=1.5), "3 s for two folds"
    assert Started.asked == [1, 2]
    monkeypatch.setattr(batching, "available", lambda device: 2**20)
    refused = measure(several)
    assert refused.seconds is None
    assert refused.bytes > 2 * 2**20
    assert Started.asked == [1, 2, 1]


def test_memory_must_do_for_all_trials_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "Pool", Started)
    monkeypatch.setattr(batching, "seconds_of", lambda *arguments, **options: 3.0)
    monkeypatch.setattr(batching, "resident_peak", lambda pid: 100)
    monkeypatch.setattr(batching, "available", lambda device: 1000)
    trial = Trial(EVERY["toy"](LIFELIKE.shapes), DEVICE_DATA, FOLDS)
    measure = partial(batching._measured, trial, 1, mode_on(config_of(), "cpu"), 2)
    several = Candidate("processes", 2)
    assert measure(4, several).seconds == 1.5, "4 trials of 2 processes: 800 of 1000"
    assert measure(5, several) == Candidate("processes", 2, bytes=1000)
    cards = DeviceData(DEVICE_DATA.micro, DEVICE_DATA.macro, DEVICE_DATA.shapes, torch.device("cuda"))
    monkeypatch.setattr(batching, "card_peak", lambda device, work: 20 * len(work.args[-1]))
    monkeypatch.setattr(batching, "held", lambda device: 100)
    on_card = dataclasses.replace(trial, data=cards)
    measure = partial(batching._measured, on_card, 1, mode_on(config_of(), "cpu"), 1)
    fused = Candidate("fused", 10)
    assert measure(3, fused).seconds is not None, (
        "3 trials of 200, 2 data sets of 100 beside our own: 800 of 1000"
    )
    assert measure(4, fused) == Candidate("fused", 10, bytes=4 * 200 + 3 * 100)


def test_trials_side_by_side_are_those_of_the_machine_and_on_a_card_those_that_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mersearch.search.slots.local_cores", lambda: 8)
    count = batching._side_by_side
    assert count(config_of("trial.cpus=2"), "cpu") == 8 // 2
    assert count(config_of("trial.cpus=2", "search.concurrency=3"), "cpu") == 3
    shares = {"auto": 1, "1": 1, "2": 1, "0.5": 2, "0.3": 3}
    assert {each: count(config_of(f"trial.gpus={each}"), "cuda") for each in shares} == shares
    assert count(config_of("trial.gpus=0.25", "search.concurrency=2"), "cuda") == 2


def test_a_card_is_given_back_after_every_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(batching, "release", lambda: events.append("released"))

    def measure(candidate: Candidate) -> Candidate:
        events.append(candidate.backend)
        return dataclasses.replace(candidate, seconds=1.0)

    fastest([Candidate("loop", 1), Candidate("fused", 2)], measure)
    assert events == ["loop", "released", "fused", "released"]


@pytest.mark.parametrize(("folds", "why"), [(26, "one core per trial"), (1, "there is one fold only")])
def test_why_there_is_one_way_only(folds: int, why: str) -> None:
    assert why in batching._only_way(folds)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory."""
    folder = tmp_path_factory.mktemp("batching")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def measured(place: Path) -> Opened:
    """A run that was launched with a measurement on two cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "_measured", _faster_in_processes)
        return open_run(config_of("run.name=auto", *TWO_CORES), quiet)


def _faster_in_processes(*arguments: object) -> Candidate:
    candidate = arguments[-1]
    assert isinstance(candidate, Candidate)
    return dataclasses.replace(candidate, seconds=1.0 if candidate.backend == "processes" else 2.0)


def test_what_is_chosen_is_stored_and_part_of_the_numeric_mode(measured: Opened) -> None:
    folds = measured.run.config["folds"]
    assert folds == {"chunk": 2, "backend": "processes", "batch": "fixed", "precision": "float32"}
    mode = measured.run.provenance["mode"]
    assert (mode["backend"], mode["chunk"], mode["threads"]) == ("processes", 2, 1)
    assert measured.study.mode == mode
    assert measured.run.plan.chunk == 2
    assert measured.run.provenance["measured"]["backend"] == "processes"
    assert any(remark.startswith("folds.batch=auto: processes, chunks of 2") for remark in measured.remarks)


def test_nothing_is_measured_twice(measured: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "fastest", _never)
    again = open_run(config_of("run.name=auto", *TWO_CORES), quiet)
    assert (again.new, again.config.folds, again.study.mode) == (
        False,
        measured.config.folds,
        measured.study.mode,
    )
    assert again.remarks == ()
    other = open_run(config_of("run.name=other", *TWO_CORES), quiet)
    assert other.config.folds == measured.config.folds, "the answer is kept beside the caches"
    assert (Path(other.config.cache) / FILE).is_file()


def _never(*arguments: object) -> Choice:
    raise AssertionError("this was measured before")


def test_the_plan_says_what_is_chosen_and_why(measured: Opened) -> None:
    config = config_of("run.name=planned", *TWO_CORES)
    lines = dry_run(config, Place(1, "cpu"), quiet)
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "3 per trial (one per subject), in chunks of 2, a process per core" in text
    assert "measured: processes, chunks of 2: the fastest when it was measured on this machine" in text
    assert "1 thread each" in text


def test_processes_give_the_bits_of_the_loop_and_the_modes_say_so(measured: Opened) -> None:
    loop = open_run(config_of("run.name=loop", "trial.gpus=0"), quiet)
    mode = {**loop.study.mode, "chunk": 2}
    assert difference(mode, measured.study.mode) == []
    assert difference(mode, {**mode, "backend": "fused"}) == ["backend: loop → fused"]
    subjects = loop.run.plan.subjects
    records = []
    for opened in (loop, measured):
        worker = opened.study.open()
        worker.start({})
        records.append(worker.train(0, subjects, 0, 0))
    for expected, found in zip(*records, strict=True):
        assert found.subject == expected.subject
        assert np.array_equal(found.logits, expected.logits)
        assert str(found.diagnostics) == str(expected.diagnostics)


def test_what_a_back_end_cannot_do_is_refused_before_anything_is_trained() -> None:
    processes = config_of("trial.cpus=2", "folds.backend=processes", "folds.chunk=2")
    require_backend(processes, "cpu")
    with pytest.raises(ConfigError, match=r"trains on processors\n.*cuda"):
        require_backend(processes, "cuda")
    idle = config_of("trial.cpus=2", "folds.backend=processes")
    with pytest.raises(ConfigError, match=r"one per core of the trial\n.*folds.chunk=1, trial.cpus=2"):
        require_backend(idle, "cpu")


def test_graphs_are_refused_on_a_processor() -> None:
    graph = config_of("folds.backend=fused-graph", "folds.chunk=2")
    with pytest.raises(ConfigError, match=r"captures CUDA graphs\n.*trials on cpu"):
        require_backend(graph, "cpu")


def test_a_cluster_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mersearch.placing.resolve", lambda address: address)
    with pytest.raises(ConfigError, match="measures on this machine, not on a cluster"):
        place_of(config_of(*TWO_CORES), "head:6379")


def test_a_file_of_measurements_that_cannot_be_read_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / FILE
    assert batching._read(file) == {}
    for text in ("{", "[]"):
        file.write_text(text)
        assert batching._read(file) == {}
