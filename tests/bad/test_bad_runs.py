"""Bad inputs 16–18, runs, and interrupts.

Each gives one clear error and the documented exit code; no traceback, nothing lost.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mersearch.store import PROTOCOL
from tests.bad.inputs import Mersearch, beside, ctrl_c, end_of, lines, until, write


def test_16_run_name_in_use_by_another_live_driver(refuses: Callable[..., str], place: Path) -> None:
    file = write("long.yaml", {"run": {"name": "busy"}, "algorithm": {"train": {"steps": 100}}})
    with beside("evaluate", file, "preprocess.cache=runs/.cache") as driver:
        until(lambda: bool(lines("runs/busy/folds.jsonl")), driver)
        os.kill(driver.pid, signal.SIGSTOP)
        who = f"run busy is in use by pid {driver.pid} on {socket.gethostname()} since "
        told = (who, "received: runs/busy", "another run.name, or wait for that process or stop it")
        refuses("evaluate", file, says=told)
        refuses("resume", "busy", says=told)
        os.kill(driver.pid, signal.SIGCONT)
        kept = lines("runs/busy/folds.jsonl")
        ctrl_c(driver)
        told = end_of(driver)
    assert (told.code, told.err) == (
        3,
        "stopped: everything finished is kept; the same command goes on\n",
    )
    assert lines("runs/busy/folds.jsonl")[: len(kept)] == kept


def test_17_run_of_another_protocol_version(refuses: Callable[..., str]) -> None:
    file = Path("runs/done/provenance.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "protocol": 99}))
    told = (f"reads runs of protocol version {PROTOCOL}", "runs/done: protocol version 99", "start a new run")
    for command in ("status", "resume", "export"):
        refuses(command, "done", says=told)
    refuses("evaluate", "done.yaml", says=told)


def test_18_corrupt_line_in_the_middle_of_a_log(refuses: Callable[..., str], mersearch: Mersearch) -> None:
    log = Path("runs/done/folds.jsonl")
    first, second, third = whole = lines(str(log))
    log.write_bytes(b"\n".join([first, b"#" + second, third, b""]))
    told = ("runs/done/folds.jsonl, line 2: every line must be one record", "'#{", "or delete this line")
    for command in ("status", "resume", "export"):
        refuses(command, "done", says=told)
    refuses("evaluate", "done.yaml", says=told)

    log.write_bytes(b"\n".join([first, third, b""]))
    assert mersearch("evaluate", "done.yaml").code == 0
    *kept, again = lines(str(log))
    assert kept == [first, third]
    same = [(fold["subject"], fold["clips"], fold["logits"]) for fold in map(json.loads, (again, whole[1]))]
    assert same[0] == same[1], "the advice computes exactly what was lost"


def test_a_run_whose_configuration_lost_its_end_says_what_is_missing(refuses: Callable[..., str]) -> None:
    file = Path("runs/done/config.yaml")
    file.write_text(file.read_text().partition("search:")[0])
    for command in ("status", "resume"):
        refuses(
            command,
            "done",
            *(["search.trials=3"] if command == "resume" else []),
            says=("config.yaml", "search."),
        )


def test_an_interrupt_while_clips_are_prepared_keeps_them(mersearch: Mersearch) -> None:
    with beside("train", "one.yaml", "preprocess.cache=fresh", "preprocess.flow_size=400") as command:
        until(lambda: bool([*Path("fresh").glob("*/done.jsonl")]), command)
        ctrl_c(command)
        told = end_of(command)
    assert told.code == 3
    assert re.fullmatch(
        r"stopped: \d+ of 8 clips of casme2 are preprocessed, and kept; the same command\n    goes on\n",
        told.err,
    )


@pytest.mark.ray
def test_an_interrupt_while_ray_starts_ends_with_3(place: Path) -> None:
    with beside("launch", "tiny.yaml", "preprocess.cache=runs/.cache") as driver:
        until(lambda: Path("runs/new/trials.jsonl").exists(), driver)
        ctrl_c(driver)
        told = end_of(driver)
    assert told.code == 3
    assert re.fullmatch(
        r"stopped( \(SIGINT\))?: everything finished is kept; mersearch resume\s+runs/new goes on\n", told.err
    )
