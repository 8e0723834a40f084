from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mersearch.errors import RunError
from mersearch.store import owner as owners
from mersearch.store.lease import Lease
from mersearch.store.owner import Owner, alive, this_process

HOLD = """
import sys
from pathlib import Path
from mersearch.store.lease import Lease
lease = Lease(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def held_by(run: Path, age: float = 0.0, **changes: Any) -> Path:
    """A lease of an owner that differs from this process in some fields, renewed `age` seconds ago."""
    folder = run / ".lease"
    folder.mkdir(exist_ok=True)
    path = folder / "1"
    path.write_text(json.dumps({**this_process().to_dict(), "since": "2026-01-01T00:00:00+00:00", **changes}))
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))
    return path


def test_a_second_writer_in_another_process_is_refused(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"in use by pid {holder.pid} on .* since 20") as raised:
        Lease(tmp_path)
    assert "another run.name" in raised.value.fix


def test_a_killed_writer_is_replaced_at_once(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # a zombie, which still has its process id
    lease = Lease(tmp_path)
    lease.check()
    lease.release()


def test_a_second_writer_in_this_process_is_refused(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    with pytest.raises(RunError, match=f"in use by pid {os.getpid()}"):
        Lease(tmp_path)
    lease.release()
    Lease(tmp_path).release()


def test_a_live_owner_on_this_host_keeps_a_lease_it_has_not_renewed(tmp_path: Path) -> None:
    held_by(tmp_path, age=3600)
    with pytest.raises(RunError, match="is in use"):
        Lease(tmp_path)


@pytest.mark.parametrize("changes", [{"start": "1"}, {"pid": 2**22 + 1}], ids=["reused pid", "free pid"])
def test_a_dead_owner_on_this_host_is_replaced_at_once(tmp_path: Path, changes: dict[str, Any]) -> None:
    held_by(tmp_path, age=0, **changes)
    Lease(tmp_path).release()


@pytest.mark.parametrize(
    "changes", [{"host": "elsewhere"}, {"space": "pid:[1]"}, {"pid": "no number"}], ids=str
)
def test_an_owner_that_cannot_be_seen_has_a_minute(tmp_path: Path, changes: dict[str, Any]) -> None:
    held_by(tmp_path, age=50, **changes)
    with pytest.raises(RunError, match="is in use"):
        Lease(tmp_path)
    held_by(tmp_path, age=70, **changes)
    Lease(tmp_path).release()


def test_an_owner_from_before_the_boot_is_dead_and_a_namesake_is_not() -> None:
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    here = this_process()
    before = Owner(here.host, "another boot", here.space, here.pid, here.start)
    assert alive(before, uptime + 10) is False
    assert alive(before, min(5.0, uptime / 2)) is None


def test_nothing_is_certain_without_a_proc_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = this_process()
    monkeypatch.setattr(owners, "PROC", tmp_path)
    assert alive(here, 1e9) is None


def test_an_unreadable_lease_expires_like_any_other(tmp_path: Path) -> None:
    path = held_by(tmp_path)
    path.write_text("?")
    with pytest.raises(RunError, match="in use by pid \\?"):
        Lease(tmp_path)


def test_an_owner_that_was_replaced_notices_and_leaves_its_successor_alone(tmp_path: Path) -> None:
    first = Lease(tmp_path)
    held_by(tmp_path, age=70, host="elsewhere")
    second = Lease(tmp_path)
    with pytest.raises(RunError, match="another one has taken over"):
        first.check()
    first.release()
    second.check()
    with pytest.raises(RunError, match="is in use"):
        Lease(tmp_path)
    second.release()


@pytest.mark.parametrize("changes", [{"start": "1"}, {"host": "elsewhere"}], ids=str)
def test_of_many_that_take_over_one_wins(tmp_path: Path, changes: dict[str, Any]) -> None:
    held_by(tmp_path, age=70, **changes)
    start = threading.Barrier(8)

    def attempt(_: int) -> Lease | None:
        start.wait()
        try:
            return Lease(tmp_path)
        except RunError:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [lease for lease in pool.map(attempt, range(8)) if lease]
    assert len(won) == 1
    won[0].check()
    won[0].release()
    assert len(list((tmp_path / ".lease").iterdir())) == 1


def test_an_attempt_that_loses_a_race_is_repeated_and_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = os.link, [1, 2]

    def link(source: Path, target: Path) -> None:
        if lost:
            lost.pop()
            raise FileExistsError(17, "File exists")
        real(source, target)

    monkeypatch.setattr("mersearch.store.lease.os.link", link)
    Lease(tmp_path).release()
    lost.extend(range(99))
    with pytest.raises(RunError, match="several are starting on this one"):
        Lease(tmp_path)


def test_a_link_whose_answer_was_lost_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def link(source: Path, target: Path) -> None:
        real(source, target)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr("mersearch.store.lease.os.link", link)
    lease = Lease(tmp_path)
    lease.check()
    lease.release()


def test_the_lease_is_renewed_by_the_clock_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mersearch.store.lease.RENEWED", 0.001)
    lease = Lease(tmp_path)
    path = next((tmp_path / ".lease").iterdir())
    os.utime(path, (0, 0))
    while path.stat().st_mtime == 0:
        pass
    lease.release()
    assert path.stat().st_size == 0


def test_a_place_without_hard_links_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("mersearch.store.lease.os.link", refuse)
    with pytest.raises(RunError, match="must be writable"):
        Lease(tmp_path)
