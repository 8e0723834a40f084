"""The commands that need no Ray, on a tiny database on disk, as a user types them."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open

from mersearch import cli, evaluation
from mersearch.config import compose
from mersearch.doctor import Finding, examine, lines
from mersearch.errors import ConfigError, DataError, RunError
from mersearch.ledger.recording import entries
from mersearch.opening import as_launched, extend, open_run, record_turn
from mersearch.placing import Place
from mersearch.planning import dry_run, refusal
from mersearch.preparation import read
from mersearch.store import RunDirectory, SpaceExhausted

QUICK = (
    "run.name=one",
    "data.synthetic.subjects=3",
    "data.synthetic.clips=9",
    "macro.synthetic.subjects=2",
    "macro.synthetic.clips=5",
    "preprocess.frames=2",
    "preprocess.size=16",
    "preprocess.flow_size=32",
    "algorithm.train.steps=3",
    "algorithm.mask.steps=2",
    "algorithm.encoder.width=4",
    "algorithm.attention.heads=2",
    "algorithm.batch.quintuplets=2",
)


def quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one evaluated configuration: `one.yaml` and the run `runs/one`."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        values = compose("quintuplet", QUICK).to_dict()
        del values["space"], values["fixed"]
        (folder / "one.yaml").write_text(yaml.safe_dump(values))
        mersearch(patch, "evaluate", "one.yaml")
    return folder


def mersearch(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line; its exit code."""
    patch.setattr(sys, "argv", ["mersearch", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_evaluate_predicts_every_clip_once(place: Path) -> None:
    run = RunDirectory.open(place / "runs/one")
    folds = run.read().folds(0)
    assert [fold.subject for fold in folds] == list(run.plan.subjects)
    clips = [clip for fold in folds for clip in fold.clips]
    assert len(set(clips)) == len(clips) == int(np.sum(run.plan.counts))


@pytest.mark.ray
def test_an_evaluation_that_takes_long_spreads_over_workers_with_the_same_predictions(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(evaluation, "WORTH", 1e-9)
    spread = ("run.name=spread", "search.concurrency=2", "trial.gpus=0")
    assert mersearch(monkeypatch, "evaluate", "one.yaml", *spread) == 0
    alone, shared = (RunDirectory.open(place / "runs" / name).read() for name in ("one", "spread"))
    assert [fold.logits.tobytes() for fold in shared.folds(0)] == [
        fold.logits.tobytes() for fold in alone.folds(0)
    ]
    assert shared.duplicates == 0
    assert {fold.attempt for fold in shared.folds(0)} == {0}, "every chunk was computed once"


def test_evaluate_again_trains_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    before = (place / "runs/one/folds.jsonl").read_bytes()
    assert mersearch(monkeypatch, "evaluate", "one.yaml") == 0
    assert (place / "runs/one/folds.jsonl").read_bytes() == before
    assert "UF1" in capsys.readouterr().out


def test_configurations_share_a_pretraining_that_lies_beside_the_caches_and_their_folds_say_which(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    keys = []
    for name, lr in (("first", "0.01"), ("second", "0.02")):
        changes = ("algorithm.pretrain.steps=2", f"algorithm.train.lr={lr}")
        assert (
            mersearch(monkeypatch, "evaluate", "one.yaml", "run.root=others", f"run.name={name}", *changes)
            == 0
        )
        folds = RunDirectory.open(place / "others" / name).read().folds(0)
        keys += [fold.diagnostics["pretrained"] for fold in folds]
    (file,) = place.rglob("pretrained/*")
    assert keys == [file.stem] * 6
    study = open_run(compose(place / "one.yaml", []), quiet).study
    assert file.parent.parent == study.micro.parent
    one = RunDirectory.open(place / "runs/one").read().folds(0)
    assert not any("pretrained" in fold.diagnostics for fold in one), "off by default"


def test_mixed_precision_is_a_run_and_a_numeric_mode_of_its_own(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    mixed = "folds.precision=bfloat16"
    assert mersearch(monkeypatch, "evaluate", "one.yaml", mixed, "run.root=others", "run.name=mixed") == 0
    runs = [RunDirectory.open(place / name) for name in ("runs/one", "others/mixed")]
    assert [run.provenance["mode"]["precision"] for run in runs] == ["float32", "bfloat16"]
    usual, other = (run.read().folds(0) for run in runs)
    for fold, changed in zip(usual, other, strict=True):
        assert fold.clips == changed.clips
        assert not np.array_equal(fold.logits, changed.logits)
    assert len({entry.configuration for run in runs for entry in entries(run, run.read())}) == 2, (
        "in the ledger"
    )
    capsys.readouterr()
    assert mersearch(monkeypatch, "evaluate", "one.yaml", mixed) == 2
    assert "folds.precision: 'float32' → 'bfloat16'" in " ".join(capsys.readouterr().err.split())
    measured = compose("one.yaml", [mixed, "folds.batch=auto"])
    assert as_launched(runs[0], measured).folds.precision == "bfloat16", (
        "asked for, so not taken from the run"
    )
    plan = dry_run(compose("one.yaml", [mixed, "run.name=planned"]), Place(1, "cpu"), quiet)
    assert "one after another, in mixed precision (bfloat16)" in " ".join(" ".join(plan).split())


def test_evaluate_with_seeds_trains_each_in_a_run_of_its_own_and_says_how_they_spread(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    before = (place / "runs/one/folds.jsonl").read_bytes()
    assert mersearch(monkeypatch, "evaluate", "one.yaml", "--seeds", "2") == 0
    assert (place / "runs/one/folds.jsonl").read_bytes() == before, "the first seed is there already"
    trials = [RunDirectory.open(place / "runs" / name).read().trials[0] for name in ("one", "one-seed1")]
    logits = [np.concatenate([fold.logits for fold in trial.folds.values()]) for trial in trials]
    assert not np.array_equal(*logits)
    found = [trial.score("uf1") for trial in trials]
    assert None not in found
    mean, deviation = float(np.mean(found)), float(np.std(found, ddof=1))
    text = capsys.readouterr().out
    assert f"UF1       {mean:.4f} ± {deviation:.4f} over 2 seeds" in text
    assert max(map(len, text[text.index("one, 2 seeds") :].splitlines())) <= 80
    shutil.rmtree(place / "runs/one-seed1")
    shutil.rmtree(place / "runs/ledger")


def test_an_exported_configuration_gives_the_stored_logits(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert mersearch(monkeypatch, "export", "one", "-o", "best") == 0
    assert mersearch(monkeypatch, "evaluate", "best/best.yaml") == 0
    first, second = (RunDirectory.open(place / "runs" / name).read() for name in ("one", "one-trial0"))
    for a, b in zip(first.folds(0), second.folds(0), strict=True):
        assert a.clips == b.clips
        np.testing.assert_array_equal(a.logits, b.logits)
    told = capsys.readouterr().out
    assert "The same scores as in one, trial 0." in told
    assert told.index("best: trial 0") < told.index("expected on new subjects")
    written = yaml.safe_load((place / "best/best.yaml").read_text())["exported"]
    assert written["corrected"]["naive"]["uf1"] == written["uf1"]
    (ledger,) = (place / "runs/ledger").iterdir()
    assert ledger.read_bytes().count(b"\n") == 1


def test_an_evaluation_away_from_the_ledger_shows_what_the_export_says_of_the_choice(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert mersearch(monkeypatch, "export", "one", "-o", "carried") == 0
    file = place / "carried/best.yaml"
    values = yaml.safe_load(file.read_text())
    values["exported"]["corrected"] |= {"configurations": 40, "interval": [0.125, 0.375]}
    values["exported"]["corrected"]["corrected"]["uf1"] = 0.25
    file.write_text(yaml.safe_dump(values))
    capsys.readouterr()
    assert mersearch(monkeypatch, "evaluate", str(file)) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "As exported, in one, from which it was chosen: expected on new subjects: UF1 0.250" in told
    assert "(UF1 0.125 to 0.375 with 95 %" in told
    assert "corrected for the choice among 40 configurations" in told
    assert (
        mersearch(monkeypatch, "evaluate", str(file), "run.seed=1", "run.root=others", "run.name=reseeded")
        == 0
    )
    assert "As exported" not in capsys.readouterr().out, "another seed is another configuration"
    assert mersearch(monkeypatch, "status", "one") == 0
    assert "not corrected for a choice" in " ".join(capsys.readouterr().out.split())


def test_a_chunk_that_fits_into_no_card_as_one_program_is_trained_fold_by_fold_and_exported_so(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.chdir(place)
    monkeypatch.setattr("mersearch.training.chunk.fit_together", full)
    crowded = ("run.name=crowded", "folds.backend=fused", "folds.chunk=2")
    assert mersearch(monkeypatch, "evaluate", "one.yaml", *crowded) == 0
    assert "starts again with folds.backend=loop" in " ".join(capsys.readouterr().out.split())
    alone, found = (RunDirectory.open(place / "runs" / name).read() for name in ("one", "crowded"))
    assert found.trials[0].backend == "loop"
    for a, b in zip(alone.folds(0), found.folds(0), strict=True):
        assert a.clips == b.clips
        np.testing.assert_array_equal(a.logits, b.logits)
    assert mersearch(monkeypatch, "export", "crowded", "-o", "small") == 0
    written = yaml.safe_load((place / "small/best.yaml").read_text())
    assert (written["folds"]["backend"], written["exported"]["mode"]["backend"]) == ("loop", "loop")
    assert mersearch(monkeypatch, "status", "crowded") == 0
    assert "started again with folds.backend=loop: trial 0" in capsys.readouterr().out
    shutil.rmtree(place / "runs/crowded")


def test_export_front_writes_the_trials_that_no_other_one_matches(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert mersearch(monkeypatch, "export", "one", "--front", "-o", "front") == 0
    assert capsys.readouterr().out.splitlines()[0] == "front/best.yaml"
    trial = RunDirectory.open(place / "runs/one").read().trials[0]
    written = yaml.safe_load((place / "front/best.yaml").read_text())["exported"]
    assert written["seconds_per_fold"] == pytest.approx(np.mean([f.seconds for f in trial.folds.values()]))


def test_a_changed_configuration_is_refused_for_an_existing_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    changed = compose("one.yaml", ["algorithm.train.lr=0.5"])
    with pytest.raises(ConfigError, match=r"exists with another configuration") as error:
        open_run(changed, quiet)
    assert "algorithm.train.lr" in error.value.received


def test_only_keys_that_extend_may_change_on_resume(place: Path) -> None:
    run = RunDirectory.open(place / "runs/one")
    assert extend(run, ["search.trials=7"]).search.trials == 7
    with pytest.raises(ConfigError, match=r"only search\.trials, search\.concurrency, .* may change"):
        extend(run, ["run.seed=1"])
    with pytest.raises(ConfigError, match=r"search\.trials"):
        extend(run, ["search.trials=none"])


def test_a_run_that_lost_its_cache_prepares_it_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    config = dataclasses.replace(compose("one.yaml"), cache=str(place / "other-cache"))
    opened = open_run(config, quiet)
    assert not opened.new
    stored = RunDirectory.open(place / "runs/one").provenance["data"]
    assert opened.study.digest == stored["digest"]


def test_train_writes_weights_that_say_what_they_are(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert mersearch(monkeypatch, "train", "one.yaml", "-o", "deep/model.safetensors") == 0
    with safe_open(place / "deep/model.safetensors", framework="np") as model:
        metadata, names = model.metadata(), list(model.keys())
        assert all(np.isfinite(model.get_tensor(name)).all() for name in names)
    assert json.loads(metadata["classes"]) == list(RunDirectory.open(place / "runs/one").plan.classes)
    assert compose_stored(metadata["config"]) == compose_stored((place / "runs/one/config.yaml").read_text())


def test_train_takes_all_cores_of_the_trial_whatever_its_folds_were_trained_with(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    threads: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", threads.append)
    several = ("trial.cpus=2", "folds.backend=processes", "folds.chunk=2")
    assert mersearch(monkeypatch, "train", "one.yaml", "-o", "several.safetensors", *several) == 0
    assert set(threads) == {2}
    with safe_open(place / "several.safetensors", framework="np") as model:
        mode = json.loads(model.metadata()["provenance"])["mode"]
    assert (mode["backend"], mode["threads"]) == ("loop", 2)


def test_a_run_whose_space_is_exhausted_is_finished_and_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    shutil.copytree("runs/one", "runs/small")
    with RunDirectory.open(place / "runs/small").writer() as writer:
        writer.append(SpaceExhausted(1))
    monkeypatch.setattr("mersearch.searching.cluster", None)
    run = RunDirectory.open(place / "runs/small")
    mode = open_run(
        extend(run, ["search.trials=5"]), quiet, lambda: pytest.fail("workers are asked for")
    ).study.mode
    assert mode == run.provenance["mode"], "no machine of a cluster is started for nothing"
    assert mersearch(monkeypatch, "resume", "small", "search.trials=5") == 0, "Ray is not even asked for"
    text = capsys.readouterr().out
    assert "1 trial, nothing was left to do: 1 complete" in text
    assert "The space has no further configuration: 1 of 5 trials." in text
    assert mersearch(monkeypatch, "status", "small") == 0
    text = capsys.readouterr().out
    assert "small: finished" in text
    assert "0 to come\n" in text
    assert "the space has no further configuration: 1 of 5 trials" in text


def test_train_and_evaluate_say_first_where_they_write(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    file = place / "best" / "two.yaml"
    file.parent.mkdir(exist_ok=True)
    shutil.copyfile(place / "one.yaml", file)
    data = [f"run.root={place / 'runs'}"]
    assert mersearch(monkeypatch, "train", str(file), *data) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"The model goes to {place / 'best' / 'two.safetensors'}"
    assert any("training, steps: 5 of 5" in line for line in rest), "two steps of the mask, three of the rest"
    assert (place / "best" / "two.safetensors").is_file()
    assert mersearch(monkeypatch, "evaluate", str(file), *data) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"The run goes to {place / 'runs' / 'one'}"


def compose_stored(text: str) -> dict[str, object]:
    """Algorithm section of a stored configuration."""
    section: dict[str, object] = yaml.safe_load(text)["algorithm"]
    return section


def test_status_counts_what_the_logs_hold(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert mersearch(monkeypatch, "status", "one", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"]["complete"] == 1
    assert found["folds"]["done"] == len((place / "runs/one/folds.jsonl").read_text().splitlines())
    assert mersearch(monkeypatch, "status", "one") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "one: finished" in text
    assert "expected on new subjects: UF1" in text
    assert found["corrected"]["corrected"]["uf1"] == found["best"]["scores"]["uf1"]
    assert found["corrected"]["configurations"] == 1
    assert "mersearch export runs/one" in text


def test_the_plan_fits_80_columns_and_leaves_no_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    config = compose("quintuplet", [*QUICK, "run.name=planned", "search.trials=7"])
    text = dry_run(config, Place(2, "cpu"), quiet)
    assert max(map(len, text)) <= 80
    assert any("7 by tpe" in line for line in text)
    assert any("SYNTHETIC" in line for line in text)
    assert any(line.startswith("  time       about ") for line in text), "timed on a few steps: no bound"
    assert not (place / "runs/planned").exists()


def test_the_plan_names_the_mirror_and_refuses_one_that_holds_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    address, told = (place / "mirror").as_uri(), []
    config = compose("one.yaml", [f"run.mirror={address}", "run.name=planned"])
    text = dry_run(config, Place(1, "cpu"), lambda what, *_: told.append(what))
    assert f"{address}/planned too" in " ".join(" ".join(text).split())
    assert "timing a few steps on this machine" in told
    (place / "mirror/planned").mkdir(parents=True)
    (place / "mirror/planned/provenance.json").write_text('{"id": "of another run"}')
    refused = refusal(config)
    assert refused is not None
    assert "does not take the place of another one in its mirror" in refused.rule
    (place / "mirror/planned").rename(place / "mirror/one")
    other = refusal(compose("one.yaml", [f"run.mirror={address}"]))
    assert other is not None
    assert "a mirror holds one run of a name" in other.rule
    wrong = refusal(compose("one.yaml", ["run.mirror=bucket/runs", "run.name=planned"]))
    assert wrong is not None
    assert "a mirror is an object storage or a folder" in wrong.rule


def test_the_plan_of_a_new_run_is_refused_where_launch_would_refuse_it_and_makes_no_folder(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    assert refusal(compose("one.yaml", ["run.name=planned", "search.warm_start=one"])) is None
    (place / "runs/notes").mkdir()
    (place / "runs/notes/text").write_text("no run")
    for overrides, rule in (
        (["run.name=planned", "search.warm_start=nosuchrun"], "nosuchrun"),
        (["run.name=notes"], "a new run needs a place of its own"),
        (["run.name=x", "run.root=one.yaml"], "must be writable"),
    ):
        config = compose("one.yaml", overrides)
        refused = refusal(config)
        assert refused is not None
        assert rule in str(refused)
        with pytest.raises(RunError, match=re.escape(refused.rule)):
            open_run(config, quiet)
    assert refusal(compose("one.yaml", ["run.name=x", "run.root=away/from/here"])) is None
    assert not (place / "away").exists()


def test_pictures_that_fit_into_no_memory_are_an_error_before_they_are_made(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    large = ["preprocess.frames=1024", "preprocess.size=4096", "preprocess.flow_size=4096"]
    config = compose("one.yaml", ["run.name=planned", *large])
    with pytest.raises(ConfigError, match=r"clips of 1024 frames of 4096 x 4096 pixels take"):
        dry_run(config, Place(1, "cpu"), quiet)


def test_the_plan_counts_those_who_take_part(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    options = [*QUICK, "run.name=planned", "search.trials=7"]
    whole = read(compose("quintuplet", options), quiet).micro
    left = [clip for clip in whole.clips if clip.subject != whole.subjects[0]]
    fewer = compose("quintuplet", [*options, f"data.without=[{whole.subjects[0]}]"])
    text = " ".join(" ".join(dry_run(fewer, Place(2, "cpu"), quiet)).split())
    assert f"{len(left)} clips of 2 subjects" in text
    assert "2 per trial (one per subject)" in text
    assert "14 folds of about" in text
    unknown = compose("quintuplet", [*options, "data.without=[casme2/99]"])
    with pytest.raises(DataError, match="names subjects of the database"):
        dry_run(unknown, Place(2, "cpu"), quiet)


def test_the_plan_of_a_run_that_exists_says_what_is_done_and_what_remains(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    config = compose("one.yaml", ["search.trials=3"])
    here = Place(2, "cpu")
    before = (place / "runs/one/trials.jsonl").read_bytes()
    text = "\n".join(dry_run(config, here, quiet))
    assert max(map(len, text.splitlines())) <= 80
    assert "runs/one exists: launch goes on with it" in text
    assert "1 of 3 trials over, 0 open; 3 folds" in text
    assert "at most 6 folds" in text, "two more trials of three folds"
    assert "the mean so far" in " ".join(text.split())
    whole = "\n".join(dry_run(compose("one.yaml", ["search.trials=1"]), here, quiet))
    assert "remains    nothing" in whole
    assert "time" not in whole
    other = compose("one.yaml", ["run.seed=5"])
    plan = " ".join(" ".join(dry_run(other, here, quiet)).split())
    assert (
        "refused launch would end with an error: the run runs/one exists with another configuration" in plan
    )
    refused = refusal(other)
    assert refused is not None
    assert "run.seed: 0 → 5" in refused.received
    assert mersearch(monkeypatch, "launch", "one.yaml", "run.seed=5", "--dry-run") == 2
    assert refusal(config) is None
    assert (place / "runs/one/trials.jsonl").read_bytes() == before


def test_the_plan_for_a_cluster_names_it_and_says_that_the_time_was_taken_elsewhere(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    config = compose("quintuplet", [*QUICK, "run.name=planned", "trial.gpus=1"])
    text = " ".join(" ".join(dry_run(config, Place(40, "cuda", "head:6379", 1.0), quiet)).split())
    assert "40 trials at once on the cluster at head:6379 (cuda)" in text
    assert "timed on this machine, which is not the cluster" in text


def test_data_check_prints_the_table_of_a_synthesized_database(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert mersearch(monkeypatch, "data", "synthesize", "out", "--layout", "ckplus", "--subjects", "2") == 0
    assert mersearch(monkeypatch, "data", "check", "ckplus", "out") == 0
    text = capsys.readouterr().out
    assert "ckplus (synthetic): " in text
    assert "happiness" in text
    assert "!" not in text
    assert "differ from the published label file" not in text, "nothing is published about invented people"


def test_data_check_finds_every_published_clip_in_label_files_of_the_published_size(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    made = ("data", "synthesize", "samm", "--layout", "samm", "--release", "clean", "--labels-only")
    assert mersearch(monkeypatch, *made) == 0
    assert mersearch(monkeypatch, "data", "check", "samm", "samm", "--labels", "megc2019") == 0
    told = capsys.readouterr().out
    assert "next: mersearch data check samm samm" in told
    assert "samm: 133 clips of 28 subjects, 159 annotations read" in told
    assert "warning" not in told


def test_the_doctor_marks_problems_and_counts_them() -> None:
    text = lines(
        [Finding("disk", "full", "make room", blocking=True), Finding("ray", "fine"), Finding("a", "b", "c")]
    )
    assert text[0].startswith("! disk")
    assert text[-1] == "1 to mend before a search, 1 to look at."


def test_the_doctor_finds_an_address_that_does_not_answer(tmp_path: Path) -> None:
    findings = examine(tmp_path, "127.0.0.1:1")
    (ray,) = [finding for finding in findings if finding.blocking]
    assert "does not answer" in ray.text
    assert {"system", "packages", "processor", "memory", "disk", "ray"} <= {f.topic for f in findings}
    assert max(map(len, lines(findings))) <= 80


def test_data_that_moved_are_read_again_and_must_be_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    stored = compose("one.yaml")
    moved = place / "moved"
    shutil.copytree(stored.data.root, moved)
    config = dataclasses.replace(stored, data=dataclasses.replace(stored.data, root=str(moved)))
    assert open_run(config, quiet).study.digest == open_run(stored, quiet).study.digest

    frame = next(iter(sorted((moved / "Cropped").rglob("*.jpg"))))
    others = sorted(frame.parent.glob("*.jpg"))
    frame.write_bytes(others[-1].read_bytes())
    with pytest.raises(DataError, match=r"goes on with the data it was launched with[\s\S]*and OpenCV 4"):
        open_run(config, quiet)


def test_a_mistyped_root_is_no_new_synthetic_database(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for root, what in (("nowhere", "does not exist"), (str(place / "runs"), "is none")):
        config = compose("one.yaml", ["run.name=other", f"data.root={root}"])
        with pytest.raises(DataError, match="one that mersearch wrote itself") as error:
            open_run(config, quiet)
        assert what in error.value.received
    assert not (place / "nowhere").exists()


def test_a_run_that_goes_on_with_other_code_says_so_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr("mersearch.opening.sources", lambda _: "another code")
    opened = open_run(compose("one.yaml"), quiet)
    assert any("other code" in remark for remark in opened.remarks)
    record_turn(opened, 3)
    again = open_run(compose("one.yaml"), quiet)
    assert again.turn is None
    assert [turn["after_folds"] for turn in again.run.provenance["turns"]] == [3]
