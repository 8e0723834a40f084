"""Twenty bad inputs, and some more: one clear error, the documented exit code, no traceback, nothing lost.

Everything goes through the real command line, as a user types it, on a database of eight clips.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest
import yaml

from mersearch import cli
from mersearch.data.synthetic import synthesize
from mersearch.store import PROTOCOL

ROOT = Path(__file__).parents[1]
WORKBOOK = "casme2/CASME2-coding-20140508.xlsx"
TINY: dict[str, Any] = {
    "defaults": [
        {"data": "casme2"},
        {"macro": "ckplus"},
        {"preprocess": "small"},
        {"algorithm": "quintuplet"},
        "_self_",
    ],
    "run": {"name": "new"},
    "data": {"root": "casme2"},
    "macro": {"root": "ckplus"},
    "preprocess": {"frames": 2, "size": 16, "flow_size": 32},
    "trial": {"gpus": 0},
    "search": {"trials": 2, "scheduler": "none", "concurrency": 1},
    "algorithm": {
        "mask": {"steps": 2, "width": 4, "batch": 4},
        "encoder": {"width": 4, "dim": 8},
        "attention": {"heads": 2},
        "batch": {"quintuplets": 2},
        "train": {"steps": 2},
    },
}
SEARCH: dict[str, Any] = {"space": {"algorithm": {"train": {"lr": {"low": 1e-3, "high": 1e-2}}}}}
LIVE = ("frames.json", "lock", ".lease")
"""Names of files that say who is at work, or only save time."""
Mersearch = Callable[..., "Told"]


class Told(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def says(self, code: int, *parts: str) -> str:
        """Check that it ended with `code` and one message with these parts; the message without line breaks."""
        assert self.code == code, self
        assert "Traceback" not in self.out + self.err
        assert self.err.startswith("error: ")
        assert len(re.findall("^error: ", self.err, re.MULTILINE)) == 1, self.err
        message = " ".join(self.err.split())
        for part in (*parts, " received: ", " fix: "):
            assert part in message, f"{part!r} is not in:\n{self.err}"
        return message


def run_here(patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> Told:
    """Run a command in this process."""
    patch.setattr(sys, "argv", ["mersearch", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main()
    return Told(int(end.value.code or 0), *capsys.readouterr())


@contextlib.contextmanager
def beside(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process and process group of its own, as a shell starts it."""
    code = "import sys; from mersearch.cli import main; sys.argv[0] = 'mersearch'; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def end_of(process: subprocess.Popen[str]) -> Told:
    out, err = process.communicate(timeout=60)
    return Told(process.returncode, out, err)


def ctrl_c(process: subprocess.Popen[str]) -> None:
    """What a terminal does: the signal goes to the whole process group."""
    os.killpg(process.pid, signal.SIGINT)


def until(reached: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait for another process."""
    end = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, end_of(process)
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for those of `LIVE`."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {*path.parts} & {*LIVE}
    }


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return values | {
        key: merged(values[key], value) if isinstance(value, dict) and key in values else value
        for key, value in more.items()
    }


def write(name: str, more: dict[str, Any]) -> str:
    """A configuration beside the database; its name."""
    Path(name).write_text(yaml.safe_dump(merged(TINY, more), sort_keys=False))
    return name


def line_of(file: str, word: str) -> str:
    """`file:line` of the only line that holds a word."""
    (number,) = [n for n, line in enumerate(Path(file).read_text().splitlines(), 1) if word in line]
    return f"{file}:{number}"


def lines(file: str) -> list[bytes]:
    """Whole lines of a log; none where it is not there yet."""
    path = Path(file)
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def edit_workbook(column: str, value: object, row: int = 2) -> str:
    """Change one cell of the label file; the clip of its row."""
    book = openpyxl.load_workbook(WORKBOOK)
    sheet = book.worksheets[0]
    header = [str(cell.value).replace(" ", "") for cell in sheet[1]]
    sheet.cell(row, header.index(column) + 1).value = value
    book.save(WORKBOOK)
    subject, name = (sheet.cell(row, header.index(key) + 1).value for key in ("Subject", "Filename"))
    return f"casme2/{subject}/{name}"


def first_frame() -> tuple[str, Path]:
    """The clip of the first row, and the file of its onset."""
    clip = edit_workbook("EstimatedEmotion", "others")
    row = openpyxl.load_workbook(WORKBOOK).worksheets[0][2]
    _, subject, name = clip.split("/")
    return clip, Path(f"casme2/Cropped/sub{subject}/{name}/reg_img{row[3].value}.jpg")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two databases, and a finished evaluation `runs/done`."""
    folder = tmp_path_factory.mktemp("bad")
    synthesize(folder / "casme2", "casme2", subjects=3, clips=8, seed=0, quirks=False, size=0.5)
    synthesize(folder / "ckplus", "ckplus", subjects=2, clips=4, seed=0, quirks=False, size=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["mersearch", "evaluate", write("done.yaml", {"run": {"name": "done"}})])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    return folder


@pytest.fixture(autouse=True)
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to break, as the current directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    write("tiny.yaml", SEARCH)
    write("one.yaml", {})
    return tmp_path


@pytest.fixture
def mersearch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mersearch:
    """Runs a command in this process."""
    return lambda *arguments: run_here(monkeypatch, capsys, *arguments)


@pytest.fixture
def refuses(mersearch: Mersearch, place: Path) -> Callable[..., str]:
    """Runs a command that must end with 2 and these parts of its message, and leave every file as it was."""

    def check(*arguments: str, says: tuple[str, ...]) -> str:
        before = contents(place)
        message = mersearch(*arguments).says(2, *says)
        assert contents(place).items() >= before.items()
        assert not (place / "runs/new").exists()
        return message

    return check


def test_01_unknown_key(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"search": {"trails": 3}})
    told = (
        f"{line_of(file, 'trails')}: unknown key search.trails",
        "received: trails",
        "did you mean trials?",
    )
    refuses("launch", file, says=told)
    told = ("command line: search.trails=3: unknown key search.trails", "did you mean trials?")
    refuses("launch", "tiny.yaml", "search.trails=3", says=told)


def test_02_wrong_type(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"algorithm": {"train": {"steps": "many"}}})
    rule = f"{line_of(file, 'many')}: algorithm.train.steps must be a whole number ≥ 1"
    refuses("launch", file, says=(rule, "received: 'many'", "leave it out for the default"))


def test_03_empty_root(refuses: Callable[..., str], place: Path) -> None:
    (place / "nothing").mkdir()
    told = ("the root of CASME II is a folder", f"{place}/nothing is empty", "your copy of CASME II")
    refuses("launch", "tiny.yaml", "data.root=nothing", says=told)


def test_04_missing_label_file(refuses: Callable[..., str], place: Path) -> None:
    shutil.rmtree("ckplus/Emotion")
    told = (
        "CK+ has cohn-kanade-images/S005",
        f"no labels in Emotion/ in {place}/ckplus",
        "Emotion_labels.zip",
    )
    refuses("launch", "tiny.yaml", says=told)
    Path(WORKBOOK).unlink()
    told = ("CASME II has a label file CASME2-coding", f"none in {place}/casme2", "put the workbook")
    refuses("launch", "tiny.yaml", says=told)


def test_05_missing_frame(refuses: Callable[..., str]) -> None:
    clip, frame = first_frame()
    frame.unlink()
    number = re.findall(r"\d+", frame.stem)[0]
    told = (
        "labelled clip of CASME II can be read (1 cannot)",
        f"{clip}: frames {number}…",
        f"1 missing: {number}",
    )
    refuses("launch", "tiny.yaml", says=told)


def test_06_apex_outside(refuses: Callable[..., str]) -> None:
    clip = edit_workbook("ApexFrame", 9999)
    told = (f"{clip}: onset ≤ apex ≤ offset", "9999", "in line 2 of the label file", "correct the row")
    refuses("launch", "tiny.yaml", says=told)


def test_07_unreadable_image(refuses: Callable[..., str], mersearch: Mersearch, place: Path) -> None:
    clip, frame = first_frame()
    whole = frame.read_bytes()
    frame.write_bytes(whole[:100])
    told = (f"Every frame of clip {clip} is an image", f"{place}/{frame}: 100 bytes", "copy the file again")
    refuses("launch", "tiny.yaml", says=told)
    frame.write_bytes(whole)
    assert mersearch("evaluate", "one.yaml").code == 0


def test_08_unknown_label(refuses: Callable[..., str]) -> None:
    clip = edit_workbook("EstimatedEmotion", "bored")
    told = (f"{clip}: an emotion of casme2 is one of: disgust, fear,", "'bored'", "correct the label file")
    refuses("launch", "tiny.yaml", says=told)


def test_09_one_subject_only(refuses: Callable[..., str], place: Path) -> None:
    for subject in ("02", "03"):
        shutil.rmtree(f"casme2/Cropped/sub{subject}")
    book = openpyxl.load_workbook(WORKBOOK)
    sheet = book.worksheets[0]
    for row in range(sheet.max_row, 1, -1):
        if sheet.cell(row, 1).value != "01":
            sheet.delete_rows(row)
    book.save(WORKBOOK)
    told = (
        "leaving one subject out needs at least two subjects",
        "1 subject(s): casme2/01",
        "use a database",
    )
    refuses("launch", "tiny.yaml", "preprocess.cache=fresh", says=told)
    assert not (place / "fresh").exists(), "it is said before the clips are preprocessed"


def test_10_no_ckplus_where_it_is_needed(refuses: Callable[..., str], place: Path) -> None:
    told = (
        "need macro clips",
        "received: no macro database",
        "set macro=ckplus and macro.root, or algorithm.",
    )
    refuses("launch", "tiny.yaml", "macro=none", says=told)
    told = ("the root of CK+ is a folder", f"{place}/gone does not exist", "your copy of CK+")
    refuses("launch", "tiny.yaml", "macro.root=gone", says=told)


def test_11_negative_weight(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"algorithm": {"quintuplet": {"weight": -0.5}}})
    rule = f"{line_of(file, '-0.5')}: algorithm.quintuplet.weight must be a number ≥ 0"
    refuses("launch", file, says=(rule, "received: -0.5", "leave it out for the default, 0.5"))


def test_12_contradictory_space(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"space": {"algorithm": {"train": {"lr": {"low": 0.5, "high": 0.1}}}}})
    rule = f"{line_of(file, 'lr:')}: space.algorithm.train.lr has low ≥ high"
    refuses("launch", file, says=(rule, "low 0.5, high 0.1", "make low smaller than high"))

    when = {"low": 0.1, "high": 0.5, "when": {"algorithm.views": "flow"}}
    file = write("bad.yaml", {"space": {"algorithm": {"fusion": {"prior": when}}}})
    rule = (
        f"{line_of(file, 'algorithm.views')}: space.algorithm.fusion.prior.when.algorithm.views never exists"
    )
    refuses(
        "launch", file, says=(rule, "algorithm.views = 'both'", "search algorithm.views, set it, or delete")
    )


def test_13_choice_without_options(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"space": {"algorithm": {"attention": {"heads": {"choices": []}}}}})
    number = int(line_of(file, "choices").rpartition(":")[2]) - 1
    rule = f"bad.yaml:{number}: space.algorithm.attention.heads is a choice without options"
    refuses("launch", file, says=(rule, "received: []", "list at least one option"))


def test_14_write_that_fails(refuses: Callable[..., str], place: Path) -> None:
    blocked = place / "notes.txt"
    blocked.write_text("mine")
    fresh = "preprocess.cache=cache"
    told = ("the run must be writable", "notes.txt/runs/new: Not a directory", "rights")
    refuses("launch", "tiny.yaml", "run.root=notes.txt/runs", fresh, says=told)
    told = ("cache can be written", f"{blocked}/", "Not a directory", "preprocess.cache")
    refuses("launch", "tiny.yaml", "preprocess.cache=notes.txt/cache", says=told)
    told = ("notes.txt must be writable", "notes.txt: File exists", "name another")
    refuses("export", "done", "-o", "notes.txt", says=told)
    told = ("notes.txt must be writable", "notes.txt: File exists", "name another")
    refuses("train", "one.yaml", "-o", "notes.txt/model", fresh, says=told)
    told = ("synthetic database can be written", "notes.txt/out", "Not a directory", "another folder")
    refuses("data", "synthesize", "notes.txt/out", "--layout", "ckplus", says=told)
    assert not (place / "cache").exists(), "it is said before anything is computed"


RAYS_OWN = r"^\[\*\*\* LOG ERROR .*\n"
"""The log of Ray's library meets the limit of the driver's files too, and says so beside us."""


class Full:
    """A disk that can be filled while a process writes to it, and emptied again.

    A small file system of its own where this user may mount one; else the largest size of a file is set to the
    present size of the log, for the process alone.
    """

    def __init__(self, mount: Path) -> None:
        self.mount, self.filler = mount, mount / "filler"
        mount.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)]
        self.mounted = not subprocess.run(command, check=False, capture_output=True).returncode

    def fill(self, pid: int, log: Path) -> None:
        if not self.mounted:
            size = log.stat().st_size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
            return
        with contextlib.suppress(OSError), self.filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))

    def empty(self) -> None:
        self.filler.unlink(missing_ok=True)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.mount)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Full]:
    full = Full(tmp_path / "disk")
    yield full
    full.close()


@pytest.mark.ray
def test_15_disk_full_at_a_write(mersearch: Mersearch, place: Path, disk: Full) -> None:
    file = write("slow.yaml", {"algorithm": {"train": {"steps": 40}}, **SEARCH})
    log = "disk/runs/new/folds.jsonl"
    with beside("launch", file, "run.root=disk/runs", "preprocess.cache=runs/.cache") as driver:
        until(lambda: bool(lines(log)), driver)
        disk.fill(driver.pid, Path(log))
        told = end_of(driver)
    told = told._replace(err=re.sub(RAYS_OWN, "", told.err, flags=re.MULTILINE))
    told.says(3, "disk full or failing", "everything finished is kept", "mersearch resume disk/runs/new")
    kept = lines(log)
    assert 1 <= len(kept) < 6
    assert all(json.loads(line)["trial"] in (0, 1) for line in kept)

    disk.empty()
    told = mersearch("resume", "disk/runs/new")
    assert told.code == 0, told
    assert lines(log)[: len(kept)] == kept, "what was finished is not trained again"
    folds = [(fold["trial"], fold["subject"]) for fold in map(json.loads, lines(log))]
    assert len(folds) == len({*folds}) == 6


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
    assert told.code == 3
    assert told.err.startswith(
        "error: interrupted; everything finished is kept\n  fix: give the same command again"
    )
    assert "Traceback" not in told.err
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


def test_19_ray_address_that_does_not_answer(
    refuses: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ("the Ray address does not answer", "received: 127.0.0.1:1", "ray start --head")
    refuses("launch", "tiny.yaml", "--address", "127.0.0.1:1", says=told)
    refuses("resume", "done", "--address", "127.0.0.1:1", says=told)
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    refuses(
        "launch", "tiny.yaml", says=("not through a Ray client", "ray://127.0.0.1:10001", "--address HOST")
    )


GREEDY = """
import dataclasses
from trainables.quintuplet import Quintuplet

class Greedy(Quintuplet):
    def stages(self):
        return tuple(
            dataclasses.replace(stage, updates=tuple(
                dataclasses.replace(u, optimiser=dataclasses.replace(u.optimiser, name="sgd", lr=1e30))
                for u in stage.updates
            ))
            for stage in super().stages()
        )
"""


@pytest.mark.ray
def test_20_all_trials_nan(mersearch: Mersearch, place: Path) -> None:
    Path("mine.py").write_text(GREEDY)
    before = contents(place)
    told = mersearch("launch", "tiny.yaml", "algorithm.name=mine:Greedy", "algorithm.train.steps=5")
    told.says(
        2, "every trial failed (2 of 2)", "trial 0: ", "finite", "stage mask", "narrow the search space"
    )
    after = contents(place)
    assert all(
        after[name].startswith(data) if "/ledger/" in name else after[name] == data
        for name, data in before.items()
    )
    ended = [json.loads(line) for line in lines("runs/new/trials.jsonl") if b'"ended"' in line]
    assert [(end["trial"], end["state"]) for end in ended] == [(0, "failed"), (1, "failed")]
    told = mersearch("export", "new")
    told.says(2, "only a trial with all folds can be exported", "runs/new: no trial is complete")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("launch nosuch", ("there is no search space nosuch", "shipped search spaces: quintuplet")),
        ("launch " + "x" * 300, ("x cannot be read", "File name too long", "a shipped search space")),
        ("status nosuch", ("a run is a path, or a name", "runs/nosuch does not exist", "runs there: done")),
        ("status dnoe", ("runs/dnoe does not exist", "did you mean done?")),
        (
            "status casme2 --root .",
            ("casme2 is not a run: it lacks config.yaml",),
        ),
        ("status " + "x" * 300, ("is not a run: File name too long",)),
        ("evaluate space.yaml", ("one configuration is wanted, not a search space", "space.yaml searches 1")),
        ("resume done run.seed=1", ("only search.trials and search.concurrency may change", "run.seed=1")),
        (
            "resume done search.trials=many",
            ("command line: search.trials=many: search.trials must be a whole number ≥ 1", "'many'"),
        ),
        ("resume done search.trials=[", ("a value is written as in YAML", "search.trials=[")),
        ("data check wrongdb /x", ("a database is one of: casme2, ckplus", "'wrongdb'")),
        ("data check casme2 tiny.yaml", ("is a folder", "tiny.yaml is a file", "your copy of CASME II")),
        ("data check casme2 casme2 --labels six", ("a label set is one of: casme2-5,", "'six'")),
        ("data check ckplus casme2", ("CK+ has cohn-kanade-images", "looks like CASME II (reader casme2)")),
        ("data check ckplus " + "x" * 300, ("can be read", "File name too long")),
        ("data synthesize casme2 --layout casme2", ("a new or empty folder", "casme2 holds files")),
        ("data synthesize out --layout sdu", ("no such layout", "use casme2, ckplus")),
        ("launch tiny.yaml data.root=tiny.yaml", ("is a folder", "/tiny.yaml is a file")),
        ("launch tiny.yaml data.root=~nobody-here/x", ("data.root names a home that is not there",)),
        ("launch tiny.yaml run.name=../x", ("run.name must be a plain folder name", "../x")),
        (
            "launch tiny.yaml run.root=casme2 run.name=truth",
            ("a new run needs a place of its own", "casme2/truth"),
        ),
        ("launch tiny.yaml algorithm.name=broken:X", ("broken cannot be imported", "NameError", "line 1)")),
        (
            "launch tiny.yaml algorithm.train.lr=5",
            ("algorithm.train.lr=5: algorithm.train.lr must be", "≤ 1"),
        ),
    ],
)
def test_a_command_that_cannot_run_says_why(
    refuses: Callable[..., str], command: str, said: tuple[str, ...]
) -> None:
    Path("broken.py").write_text("undefined\n")
    write("space.yaml", {"space": {"algorithm": {"train": {"lr": {"low": 0.1, "high": 0.2}}}}})
    refuses(*command.split(), says=said)


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


class Capabilities(ctypes.Structure):
    """What `capget` and `capset` of Linux take, version 3."""

    _fields_ = (("header", ctypes.c_uint32 * 2), ("data", ctypes.c_uint32 * 6))


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Rights of files count for this thread, also where it is root's."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = Capabilities((0x20080522, 0))
    after = Capabilities((0x20080522, 0))
    for each in (before, after):
        assert libc.capget(ctypes.byref(each, 0), ctypes.byref(each, 8)) == 0
    after.data[0] &= ~0b110  # effective: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(after, 0), ctypes.byref(after, 8)) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(before, 0), ctypes.byref(before, 8)) == 0


@pytest.mark.parametrize(
    ("locked", "command", "said"),
    [
        (
            "casme2/Cropped",
            "launch tiny.yaml",
            ("can be read", "casme2/Cropped: Permission denied", "rights"),
        ),
        ("casme2", "data check casme2 casme2/Cropped", ("can be read", "Permission denied", "rights")),
        (WORKBOOK, "launch tiny.yaml", ("can be read", f"{WORKBOOK}: Permission denied", "rights")),
        (
            "ckplus/Emotion",
            "launch tiny.yaml",
            ("can be read", "ckplus/Emotion: Permission denied", "rights"),
        ),
        ("runs/done", "status done", ("is not a run: Permission denied", "rights")),
        (
            "runs",
            "launch tiny.yaml preprocess.cache=cache",
            ("must be writable", "Permission denied", "rights"),
        ),
        ("runs/done/folds.jsonl", "resume done", ("logs of the run", "folds.jsonl: Permission denied")),
        ("tiny.yaml", "launch tiny.yaml", ("tiny.yaml cannot be read", "Permission denied")),
    ],
)
def test_what_may_not_be_read_or_written_is_named(
    mersearch: Mersearch, locked: str, command: str, said: tuple[str, ...]
) -> None:
    mode = Path(locked).stat().st_mode
    Path(locked).chmod(0)
    try:
        with without_privileges():
            told = mersearch(*command.split())
    finally:
        Path(locked).chmod(mode)
    told.says(2, *said)


def test_an_interrupt_while_clips_are_prepared_keeps_them(mersearch: Mersearch) -> None:
    with beside("train", "one.yaml", "preprocess.cache=fresh", "preprocess.flow_size=400") as command:
        until(lambda: bool([*Path("fresh").glob("*/done.jsonl")]), command)
        ctrl_c(command)
        told = end_of(command)
    told.says(3, "stopped, with everything finished kept", "an interrupt", "run the command again")


@pytest.mark.ray
def test_an_interrupt_while_ray_starts_ends_with_3(place: Path) -> None:
    with beside("launch", "tiny.yaml", "preprocess.cache=runs/.cache") as driver:
        until(lambda: Path("runs/new/trials.jsonl").exists(), driver)
        ctrl_c(driver)
        told = end_of(driver)
    assert (told.code, "Traceback" in told.err) == (3, False), told
    assert told.err.startswith(
        "error: interrupted; everything finished is kept\n  fix: give the same command again"
    )
