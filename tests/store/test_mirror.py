from __future__ import annotations

import dataclasses
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pyarrow import fs

from mersearch.errors import RunError
from mersearch.search.policy import NoStopping
from mersearch.search.session import Session
from mersearch.store import RunDirectory
from mersearch.store.bucket import Bucket, below
from mersearch.store.claim import MARKER
from mersearch.store.files import replace
from mersearch.store.mirror import download, mirroring, require_unmirrored
from tests.runs import SPACE, Killed, a_plan, a_run, advance, an_asha, execute, facts, train


def mirrored(
    run: RunDirectory, address: str, chunks: int | None = None, notes: list[str] | None = None
) -> None:
    """Search with a mirror; after `chunks` chunks the driver dies."""
    notice: Callable[[str], None] = ([] if notes is None else notes).append
    with run.writer() as writer, mirroring(run, writer, address, notice) as recorder:
        session = Session(recorder, space=SPACE, trials=5, metric="uf1", policy=an_asha(), seed=7, startup=4)
        slot, done = session.next_trial(), dict[int, int]()
        while slot is not None:
            if chunks is not None:
                if not chunks:
                    raise Killed
                chunks -= 1
            slot = advance(session, slot, done)


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_run_that_lost_its_machine_goes_on_elsewhere_as_if_nothing_had_happened(
    tmp_path: Path, chunk: int
) -> None:
    address = f"file://{tmp_path}/bucket"
    plan = a_plan(subjects=6, chunk=chunk)
    undisturbed, run = a_run(tmp_path / "whole", plan), a_run(tmp_path / "here" / "run", plan)
    execute(undisturbed, trials=5)
    with pytest.raises(Killed):
        mirrored(run, address, chunks=5)
    before = facts(run.read())
    shutil.rmtree(tmp_path / "here")
    found = RunDirectory.open(download(f"{address}/run", tmp_path / "there"))
    assert facts(found.read()) == before
    mirrored(found, address)
    assert facts(found.read()) == facts(undisturbed.read())
    assert found.read().duplicates == 0


def test_a_chunk_from_before_a_trial_started_again_does_not_stand_for_the_one_after(tmp_path: Path) -> None:
    run, address = a_run(tmp_path / "run"), f"file://{tmp_path}/bucket"
    with run.writer() as writer:
        session = Session(writer, space=SPACE, trials=1, metric="uf1", policy=NoStopping(), seed=7)
        trial = session.next_trial()
        assert trial is not None
        fold = train(run.plan, 0, trial.parameters, run.plan.subjects[0])
        with mirroring(run, writer, address, print) as recorder:
            recorder.append(dataclasses.replace(fold, configuration=writer.state.trials[0].configuration))
        session.restart(0, "loop", "CUDA out of memory")
        session.report(0, [dataclasses.replace(fold, seconds=9.0)])
        with mirroring(run, writer, address, print):
            pass
    found = RunDirectory.open(download(f"{address}/run", tmp_path / "there")).read()
    assert [fold.seconds for fold in found.folds(0)] == [9.0]
    assert facts(found) == facts(run.read())


def test_what_a_search_writes_about_itself_after_its_start_is_there_before_its_folds(tmp_path: Path) -> None:
    """As the share of a card that was measured, and the numeric mode of another machine."""
    run, address, there = a_run(tmp_path / "run"), f"file://{tmp_path}/bucket", tmp_path / "bucket" / "run"
    with run.writer() as writer, mirroring(run, writer, address, print) as recorder:
        writer.write_config({"seed": 0, "trial": {"gpus": 0.25}})
        replace(run.path / "provenance.json", b'{"turns": []}', run.path)
        session = Session(recorder, space=SPACE, trials=1, metric="uf1", policy=NoStopping(), seed=7)
        session.next_trial()
    for name in ("config.yaml", "provenance.json"):
        assert (there / name).read_bytes() == (run.path / name).read_bytes()


def test_what_a_run_says_about_itself_is_brought_once_as_long_as_it_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, put = list[str](), Bucket.put
    monkeypatch.setattr(
        Bucket, "put", lambda bucket, name, data: [names.append(name), put(bucket, name, data)]
    )
    mirrored(a_run(tmp_path / "run"), f"file://{tmp_path}/bucket")
    assert names.count("config.yaml") == names.count("provenance.json") == 1


def test_every_chunk_is_an_object_of_its_own(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", a_plan(subjects=6, chunk=4))
    mirrored(run, f"file://{tmp_path}/bucket")
    chunks = {
        f"folds/{number:05d}-{fold.chunk:05d}.jsonl"
        for number, trial in run.read().trials.items()
        for fold in trial.folds.values()
    }
    names = set(Bucket(f"file://{tmp_path}/bucket/run").names())
    assert names == {MARKER, "config.yaml", "provenance.json", "trials.jsonl", "verdicts.jsonl", *chunks}


def test_what_was_finished_before_there_was_a_mirror_is_brought_there_too_once(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    execute(run, trials=5)
    mirrored(run, f"file://{tmp_path}/bucket")
    objects = tmp_path / "bucket" / "run" / "folds"
    before = {file: file.stat().st_mtime_ns for file in objects.iterdir()}
    mirrored(run, f"file://{tmp_path}/bucket")
    assert {file: file.stat().st_mtime_ns for file in objects.iterdir()} == before
    assert facts(
        RunDirectory.open(download(f"file://{tmp_path}/bucket/run", tmp_path / "x")).read()
    ) == facts(run.read())


def test_a_storage_that_takes_nothing_is_told_once_and_stops_no_search(tmp_path: Path) -> None:
    (tmp_path / "bucket").write_text("no folder")
    run, notes = a_run(tmp_path / "run"), list[str]()
    mirrored(run, f"file://{tmp_path}/bucket", notes=notes)
    assert not run.read().missing()
    assert ["is behind" in note for note in notes] == [True, False]
    assert notes[1].endswith("lacks a part of the run; the run itself is whole"), (
        "also at the end, where it is read"
    )


def test_what_a_storage_did_not_take_is_brought_when_it_answers_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, notes, away = f"file://{tmp_path}/bucket", list[str](), threading.Event()
    put, names = Bucket.put, Bucket.names

    def unless_away(bucket: Bucket, name: str, data: bytes) -> None:
        if away.is_set():
            told.set()
            raise OSError("no answer")
        put(bucket, name, data)

    def silent(bucket: Bucket) -> list[str]:
        if away.is_set():
            raise OSError("no answer")
        return names(bucket)

    monkeypatch.setattr(Bucket, "put", unless_away)
    monkeypatch.setattr(Bucket, "names", silent)
    away.set()
    run, told = a_run(tmp_path / "run"), threading.Event()
    with run.writer() as writer, mirroring(run, writer, address, notes.append) as recorder:
        session = Session(recorder, space=SPACE, trials=2, metric="uf1", policy=NoStopping(), seed=7)
        slot, done = session.next_trial(), dict[int, int]()
        while slot is not None:
            slot = advance(session, slot, done)
            if len(session.state.trials) == 2:
                assert told.wait(20), "something was refused"
                away.clear()
    assert [note.partition("bucket/run ")[2][:20] for note in notes] == [
        "is behind: no answer",
        "has everything again",
    ]
    assert facts(RunDirectory.open(download(f"{address}/run", tmp_path / "there")).read()) == facts(
        run.read()
    )


def test_a_run_that_is_here_is_not_replaced_by_its_mirror(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    mirrored(run, f"file://{tmp_path}/bucket")
    with pytest.raises(RunError, match="is there already"):
        download(f"file://{tmp_path}/bucket/run", tmp_path)


def test_the_mirror_of_another_run_of_the_same_name_is_not_taken_for_its_own(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/bucket"
    mirrored(a_run(tmp_path / "run"), address)
    shutil.rmtree(tmp_path / "run")
    there = tmp_path / "bucket" / "run"
    before = {file: file.read_bytes() for file in there.rglob("*") if file.is_file()}
    with pytest.raises(RunError, match="a mirror holds one run of a name"):
        mirrored(a_run(tmp_path / "run"), address)
    assert {file: file.read_bytes() for file in there.rglob("*") if file.is_file()} == before


def test_a_new_run_is_refused_where_its_mirror_would_write_over_another_one(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/bucket"
    require_unmirrored(None, "run")
    require_unmirrored(address, "run")
    mirrored(a_run(tmp_path / "run"), address)
    with pytest.raises(
        RunError, match=r"bucket/run holds a run\n.*mersearch resume file:///.*/bucket/run goes on"
    ):
        require_unmirrored(f"{address}/", "run")
    require_unmirrored(address, "another")


def test_a_storage_that_does_not_answer_refuses_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: Bucket) -> list[str]:
        raise OSError("no answer")

    monkeypatch.setattr(Bucket, "names", silent)
    require_unmirrored(f"file://{tmp_path}", "run")


def test_a_storage_that_is_away_when_it_is_named_stops_no_search_and_gets_everything_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(address: str) -> tuple[fs.FileSystem, str]:
        raise OSError("When resolving region for bucket 'bucket': no network")

    run, address, notes = a_run(tmp_path / "run"), f"file://{tmp_path}/bucket", list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(fs, "FileSystem", SimpleNamespace(from_uri=silent))
        bucket = Bucket(f"{address}/run")
        require_unmirrored(address, "run")
        mirrored(run, address, notes=notes)
        with pytest.raises(RunError, match=r"must answer(.|\n)*no network(.|\n)*check the network"):
            download(f"{address}/run", tmp_path / "there")
    assert not run.read().missing()
    assert [("is behind" in note, "lacks a part" in note) for note in notes] == [(True, False), (False, True)]
    assert bucket.names() == [], "the storage is back"
    mirrored(run, address)
    found = RunDirectory.open(download(f"{address}/run", tmp_path / "there"))
    assert facts(found.read()) == facts(run.read())


def test_options_of_an_address_stay_behind_its_folders() -> None:
    assert below("s3://bucket/runs/", "first", "nested-5") == "s3://bucket/runs/first/nested-5"
    assert below("s3://bucket/runs/?region=eu-west-1", "first") == "s3://bucket/runs/first?region=eu-west-1"


def test_an_address_without_a_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"bucket/run: none"):
        download(f"file://{tmp_path}/bucket/run", tmp_path)
    with pytest.raises(RunError, match=r"s3://bucket/folder"):
        download("nonsense://x", tmp_path)
    assert not any(tmp_path.iterdir())


def test_maps_come_back_with_the_folds(tmp_path: Path) -> None:
    run, address = a_run(tmp_path / "run"), f"file://{tmp_path}/bucket"
    with run.writer() as writer, mirroring(run, writer, address, print) as recorder:
        session = Session(recorder, space=SPACE, trials=1, metric="uf1", policy=NoStopping(), seed=7)
        trial = session.next_trial()
        assert trial is not None
        fold = train(run.plan, 0, trial.parameters, run.plan.subjects[2])
        maps = np.full((len(fold.clips), 14, 14), 7, np.uint8)
        session.report(0, [dataclasses.replace(fold, maps=maps)])
    found = download(f"{address}/run", tmp_path / "there")
    assert np.array_equal(np.load(found / "maps" / "00000" / "002.npy"), maps)


@pytest.mark.parametrize(
    "address",
    [
        "s3://key:hunter2@bucket/runs",
        "s3://key:hunter2/hunter2@bucket/runs",
        "s3://key:hunter2?hunter2@bucket/runs",
        "s3://key:hunter2?a=hunter2&secret=hunter2@bucket/runs",
        "s3://bucket/runs?endpoint_override=http://key:hunter2@storage",
        "abfss://container:hunter2@account.dfs.core.windows.net/x",
        "s3://bucket/x?region=eu-west-1&secret_key=hunter2",
        "abfss://container@account.dfs.core.windows.net/x?client_secret=hunter2",
        "abfss://container@account.dfs.core.windows.net/x?sig=hunter2",
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(RunError, match="holds no secret") as error:
        Bucket(address)
    assert "hunter2" not in str(error.value)


def test_a_container_before_an_at_sign_is_no_secret() -> None:
    address = "abfss://container@account.dfs.core.windows.net/x"
    assert Bucket(f"{address}/").address == address


def test_what_options_of_a_wrong_address_are_set_to_is_not_shown() -> None:
    with pytest.raises(RunError, match=r"s3://bucket/x\?passphrase=…: .*query parameter") as error:
        Bucket("s3://bucket/x?passphrase=hunter2")
    with pytest.raises(RunError, match=r"nonsense://x\?passphrase=…: .*nonsense://x\?passphrase=…"):
        Bucket("nonsense://x?passphrase=hunter2")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "address",
    [
        "key:hunter2@bucket",
        "s3:///key:hunter2@bucket",
        "s3:/key:hunter2@",
        f"nonsense://x?passphrase={'hunter2' * 60}",
    ],
)
def test_what_may_be_a_password_in_a_wrong_address_is_not_shown(address: str) -> None:
    with pytest.raises(RunError, match="an object storage or a folder, by its address") as error:
        Bucket(address)
    assert "hunter2" not in str(error.value)
