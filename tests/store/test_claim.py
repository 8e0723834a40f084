"""One copy of a run writes to its mirror: a second one is refused, or notices."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from mersearch.errors import RunError
from mersearch.store import RunDirectory, claim
from mersearch.store.bucket import Bucket
from mersearch.store.claim import MARKER, Claim, is_mirror
from mersearch.store.files import replace
from mersearch.store.mirror import download, mirroring
from mersearch.store.owner import this_process
from tests.runs import Killed, a_run, execute, facts
from tests.store.test_mirror import mirrored


def no_wait(_: float) -> None:
    raise AssertionError("nobody is to be watched")


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def half_a_run(tmp_path: Path) -> tuple[RunDirectory, str, Path]:
    """A run whose driver died in the middle, the address of its mirror, and the folder of that."""
    run, address = a_run(tmp_path / "here" / "run"), f"file://{tmp_path}/bucket"
    with pytest.raises(Killed):
        mirrored(run, address, chunks=5)
    return run, address, tmp_path / "bucket" / "run"


def claimed(folder: Path, **owner: Any) -> dict[str, Any]:
    """Make the marker one that was not given back, of another process."""
    values: dict[str, Any] = json.loads((folder / MARKER).read_text())
    values |= {"released": False, "owner": {**values["owner"], **owner}}
    (folder / MARKER).write_text(json.dumps(values))
    return values


def test_a_run_that_is_written_to_its_mirror_is_not_fetched(tmp_path: Path) -> None:
    _, address, mirror = half_a_run(tmp_path)
    claimed(mirror, **this_process().to_dict())
    with pytest.raises(RunError, match=rf"one writes to this mirror\n.*pid {this_process().pid} on "):
        download(f"{address}/run", tmp_path / "there", wait=no_wait)
    assert not (tmp_path / "there").exists()


def test_a_writer_that_died_on_this_machine_is_known_to_be_dead(tmp_path: Path) -> None:
    _, address, mirror = half_a_run(tmp_path)
    with subprocess.Popen(["true"]) as process:
        process.wait()
    claimed(mirror, pid=process.pid, start="1")
    found = RunDirectory.open(download(f"{address}/run", tmp_path / "there", wait=no_wait))
    mirrored(found, address)


@pytest.mark.parametrize("lives", [True, False])
def test_a_writer_on_another_machine_is_watched_and_lives_where_its_marker_changes(
    lives: bool, tmp_path: Path
) -> None:
    _, address, mirror = half_a_run(tmp_path)
    values, told, waited = claimed(mirror, host="elsewhere", pid=42), list[str](), list[float]()

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if lives:
            (mirror / MARKER).write_text(json.dumps({**values, "beats": values["beats"] + 1}))

    if lives:
        with pytest.raises(RunError, match=r"one writes to this mirror\n.*pid 42 on elsewhere since"):
            download(f"{address}/run", tmp_path / "there", told.append, wait)
    else:
        mirrored(
            RunDirectory.open(download(f"{address}/run", tmp_path / "there", told.append, wait)), address
        )
    assert waited == [claim.WATCHED]
    assert waited[0] > 2 * claim.RENEWED
    assert ["pid 42 on elsewhere" in line for line in told] == [True]


def test_a_machine_that_comes_back_does_not_write_over_the_copy_that_went_on(tmp_path: Path) -> None:
    run, address, mirror = half_a_run(tmp_path)
    mirrored(RunDirectory.open(download(f"{address}/run", tmp_path / "there", wait=no_wait)), address)
    before = contents(mirror)
    with pytest.raises(
        RunError, match=r"from another than this\n.*\n.*mersearch resume file:.*bucket/run --root OTHER; or"
    ):
        mirrored(run, address)
    assert contents(mirror) == before
    mirrored(run, f"file://{tmp_path}/another")


def test_a_machine_that_nobody_replaced_goes_on_with_its_mirror(tmp_path: Path) -> None:
    run, address, mirror = half_a_run(tmp_path)
    claimed(mirror, host="elsewhere")
    mirrored(run, address)
    assert facts(RunDirectory.open(download(f"{address}/run", tmp_path / "there")).read()) == facts(
        run.read()
    )


def test_what_was_fetched_before_the_mirror_went_on_is_fetched_again(tmp_path: Path) -> None:
    run, address, _ = half_a_run(tmp_path)
    fetched = RunDirectory.open(download(f"{address}/run", tmp_path / "there", wait=no_wait))
    mirrored(run, address)
    with pytest.raises(RunError, match="from another than this"):
        mirrored(fetched, address)


def test_a_writer_that_was_taken_for_dead_leaves_the_mirror_to_its_successor_and_goes_on(
    tmp_path: Path,
) -> None:
    run, address, mirror = half_a_run(tmp_path)
    notes, there = list[str](), tmp_path / "there" / "run"
    with run.writer() as writer, mirroring(run, writer, address, notes.append) as recorder:
        shutil.copytree(run.path, there)
        shutil.rmtree(there / ".lease")
        mirrored(RunDirectory.open(there), address)
        before = contents(mirror)
        replace(run.path / "provenance.json", b"{}", run.path)
        recorder.append(
            *[fold for trial in writer.state.trials.values() for fold in trial.folds.values()][:1]
        )
    assert contents(mirror) == before
    assert ["taken over by another copy" in note for note in notes] == [True, False]
    assert "lacks a part" in notes[1]
    execute(run, trials=5)


def test_a_marker_is_renewed_until_it_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, beaten, put = Bucket(f"file://{tmp_path}/bucket/run"), threading.Semaphore(0), Bucket.put
    monkeypatch.setattr(claim, "RENEWED", 0.001)
    monkeypatch.setattr(Bucket, "put", lambda *given: [put(*given), beaten.release()])
    held = Claim(a_run(tmp_path / "run").path, bucket, print)
    assert all(beaten.acquire(timeout=20) for _ in range(3))
    held.release()
    marker = claim.marker_of(bucket)
    assert marker is not None
    assert marker.released
    assert marker.beats >= 4
    held.renew()
    assert claim.marker_of(bucket) == marker


def test_a_marker_that_cannot_be_read_keeps_nobody_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, address, get = a_run(tmp_path / "run"), f"file://{tmp_path}/bucket", Bucket.get

    def forbidden(bucket: Bucket, name: str) -> bytes:
        if name == MARKER:
            raise PermissionError("access denied")
        return get(bucket, name)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "get", forbidden)
        mirrored(run, address)
    assert MARKER not in Bucket(f"{address}/run").names()
    assert facts(RunDirectory.open(download(f"{address}/run", tmp_path / "there")).read()) == facts(
        run.read()
    )


def test_what_a_writer_brings_until_it_ends_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marker is read before the names: one that was given back says that they are all there."""
    _, address, _ = half_a_run(tmp_path)
    asked, get, names = list[str](), Bucket.get, Bucket.names
    monkeypatch.setattr(Bucket, "get", lambda bucket, name: [asked.append(name), get(bucket, name)][1])
    monkeypatch.setattr(Bucket, "names", lambda bucket: [asked.append("names"), names(bucket)][1])
    download(f"{address}/run", tmp_path / "there", wait=no_wait)
    assert asked[:2] == [MARKER, "names"]


@pytest.mark.parametrize("text", ["", '{"token": 1, "owner": "me"}'])
def test_a_marker_that_is_none_counts_as_none(text: str, tmp_path: Path) -> None:
    run, address, mirror = half_a_run(tmp_path)
    (mirror / MARKER).write_text(text)
    mirrored(run, address)
    marker = claim.marker_of(Bucket(f"{address}/run"))
    assert marker is not None
    assert marker.released


def test_a_marker_alone_of_another_copy_is_no_place_for_a_run(tmp_path: Path) -> None:
    run, address, mirror = half_a_run(tmp_path)
    claimed(mirror)
    for file in mirror.iterdir():
        if file.is_file() and file.name != MARKER:
            file.unlink()
    (run.path / claim.KNOWN).unlink()
    with pytest.raises(RunError, match="one copy of a run goes on"):
        mirrored(run, address, chunks=1)


def test_the_end_of_a_search_does_not_wait_for_a_storage_that_hangs_over_the_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, address = a_run(tmp_path / "here" / "run"), f"file://{tmp_path}/bucket"
    hangs = threading.Event()
    monkeypatch.setattr("mersearch.store.mirror.PATIENCE", 0.2)
    monkeypatch.setattr(Claim, "release", lambda _: hangs.wait(60))
    try:
        mirrored(run, address)
    finally:
        hangs.set()


def test_a_folder_is_known_for_a_mirror_and_fetched_by_its_path(tmp_path: Path) -> None:
    run, _, mirror = half_a_run(tmp_path)
    assert is_mirror(mirror)
    assert not is_mirror(run.path)
    assert not is_mirror(tmp_path / ("x" * 300))
    with subprocess.Popen(["true"]) as process:
        process.wait()
    claimed(mirror, pid=process.pid, start="1")
    there = RunDirectory.open(download(str(mirror), tmp_path / "there", wait=no_wait))
    assert len(there.plan) == len(run.plan)
    assert there.read().trials
