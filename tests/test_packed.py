"""How many trials share a card, with the measurement given; on a card, the measurement itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from mersearch import packed, placing
from mersearch.config import compose
from mersearch.errors import ClusterError
from mersearch.measuring import chunk_memory
from mersearch.numerics import mode_on
from mersearch.opening import Opened, open_run
from mersearch.search.packing import GIB, Card, Memory
from mersearch.search.policy import NoStopping
from mersearch.search.ray_cluster import Cluster
from mersearch.search.slots import Node
from mersearch.search.worker import Study
from mersearch.searching import standing_of
from mersearch.store import RunDirectory
from tests.runs import a_plan, execute
from tests.tiny import Tiny

EIGHT_CARDS = Cluster("head:6379", Path(), False, 128, 8, None, (Node(64, 4), Node(32, 4)))


def a_study(*overrides: str, device: str = "cuda") -> Study:
    config = compose("quintuplet", list(overrides))
    mode = {**mode_on(config, "cpu"), "device": device}
    return Study(Path("micro"), None, "", a_plan(), config, mode)


@pytest.fixture
def two_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trial needs 2 of 24 GiB."""
    monkeypatch.setattr(packed, "asked", lambda *_, **__: Memory(2 * GIB, 24 * GIB))


@pytest.mark.usefixtures("two_gib")
def test_as_many_trials_share_a_card_as_it_and_the_cores_beside_it_have_room_for() -> None:
    study = a_study("trial.cpus=2")
    config, told = packed.packed(study.config, study, EIGHT_CARDS)
    assert config.trial.gpus == 0.25, "7 would fit, of 32 cores for 4 cards there are 4 times 2 for each"
    assert told == "a trial needs 2 GiB of 24 of a card: 4 at a time on each (trial.gpus=0.25)"
    assert placing.slots_on(config, EIGHT_CARDS).count == 32


@pytest.mark.parametrize(("last", "gpus"), [("cuda", 1.0), ("cpu", 0.0)])
def test_a_run_goes_on_on_the_device_it_was_trained_on_whatever_is_up_of_a_cluster(
    tmp_path: Path, last: str, gpus: float
) -> None:
    more = (f"run.root={tmp_path}", "run.name=run", "search.concurrency=3", "cluster.max_workers=2")
    config = a_study(*more).config
    empty = Cluster("192.0.2.1:6379", tmp_path, False, cpus=4, gpus=0, head=Node(4, 0))
    with pytest.raises(ClusterError, match="needs to know"):
        placing.slots_on(config, empty)
    provenance = {"mode": {"device": "cpu"}, "turns": [{"after_folds": 1, "mode": {"device": last}}]}
    RunDirectory.create(tmp_path / "run", config=config.to_dict(), provenance=provenance, plan=a_plan())
    assert placing.slots_on(config, empty).gpus == gpus
    busy = dataclasses.replace(empty, gpus=1, workers=(Node(4, 1),))
    assert placing.slots_on(config, busy).gpus == gpus


@pytest.mark.usefixtures("two_gib")
@pytest.mark.parametrize("study", [a_study("trial.gpus=0.5"), a_study(device="cpu")], ids=["given", "cpu"])
def test_a_share_that_is_given_and_a_processor_are_left_as_they_are(study: Study) -> None:
    assert packed.packed(study.config, study, EIGHT_CARDS) == (study.config, "")


def test_where_no_worker_can_measure_every_trial_has_a_card_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "asked", lambda *_, **__: None)
    study = a_study()
    config, told = packed.packed(study.config, study, EIGHT_CARDS)
    assert config == study.config
    assert "could not be measured" in told


@pytest.mark.usefixtures("two_gib")
def test_where_a_run_stands_is_told_by_the_share_that_was_measured(tmp_path: Path) -> None:
    hours = 3 * 6 * 1.5 / 3600
    study = a_study(f"run.root={tmp_path}", "run.name=run", f"search.gpu_hours={hours}", "trial.cpus=2")
    provenance = {"mode": study.mode}
    run = RunDirectory.create(
        tmp_path / "run", config=study.config.to_dict(), provenance=provenance, plan=a_plan()
    )
    execute(run, trials=3, policy=NoStopping())
    opened = Opened(run, study.config, study, new=True)
    assert "GPU-hours are spent" in standing_of(opened, run.read()).ended, "at a card alone"
    config, _ = packed.packed(study.config, study, EIGHT_CARDS)
    with run.writer() as writer:
        writer.write_config(config.to_dict())
    assert standing_of(opened, run.read()).ended == ""


def test_cards_that_others_use_are_hidden_from_the_search_unless_the_user_names_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(placing, "cards_here", lambda: [Card(0, 30, 80), Card(1, 0, 80), Card(2, 0.4, 80)])
    monkeypatch.setattr("os.environ", environment := dict[str, str]())
    placing.leave_used_cards(compose("quintuplet", ["trial.gpus=0"]))
    assert environment == {}
    placing.leave_used_cards(compose("quintuplet", []))
    assert environment["CUDA_VISIBLE_DEVICES"] == "1,2"
    environment["CUDA_VISIBLE_DEVICES"] = "0"
    placing.leave_used_cards(compose("quintuplet", []))
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_search_for_cards_that_are_all_in_use_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "cards_here", lambda: [Card(0, 30, 80)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ClusterError, match=r"nobody else uses\n.*card 0 30\.0 of 80 GiB"):
        placing.leave_used_cards(compose("quintuplet", []))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible to torch")
def test_what_is_measured_on_a_card_holds_the_data_and_leaves_the_card_standing(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.folder)
    config = compose("tiny.yaml", ["run.name=measured", "trial.gpus=1", "search.concurrency=1"])
    study = open_run(config, lambda *_: None, mode_on(config, "cuda")).study
    memory = chunk_memory(study)
    assert torch.cuda.max_memory_allocated() < memory.peak < memory.card
    assert chunk_memory(dataclasses.replace(study)).trials == memory.trials
