"""The rules of a file for Slurm's `sbatch`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mersearch.cluster.document import Finding
from mersearch.cluster.known import known
from mersearch.cluster.launching import joins, launch_findings, launch_words
from mersearch.cluster.shell import findings as shell_findings
from mersearch.cluster.shell import script_lines, unreadable
from mersearch.space.problem import did_you_mean

SHORT: Final = {
    "A": "account",
    "B": "extra-node-info",
    "C": "constraint",
    "D": "chdir",
    "F": "nodefile",
    "G": "gpus",
    "H": "hold",
    "J": "job-name",
    "L": "licenses",
    "M": "clusters",
    "N": "nodes",
    "O": "overcommit",
    "Q": "quiet",
    "S": "core-spec",
    "W": "wait",
    "a": "array",
    "b": "begin",
    "c": "cpus-per-task",
    "d": "dependency",
    "e": "error",
    "i": "input",
    "k": "no-kill",
    "m": "distribution",
    "n": "ntasks",
    "o": "output",
    "p": "partition",
    "q": "qos",
    "s": "oversubscribe",
    "t": "time",
    "v": "verbose",
    "w": "nodelist",
    "x": "exclude",
}
_TIME: Final = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?P<rest>(?::[0-5]?\d){0,2})")
_COUNT: Final = (r"0*[1-9]\d*", "a whole number of 1 or more", "4")
_CARDS: Final = (
    r"([\w.-]*[A-Za-z_][\w.-]*:)?\d+(,([\w.-]*[A-Za-z_][\w.-]*:)?\d+)*",
    "NUMBER or TYPE:NUMBER",
    "1",
)
_MEMORY: Final = (r"\d+([kmgtKMGT][iI]?[bB]?)?", "a whole number with K, M, G or T", "16G")
_VALUES: Final = {
    "nodes": (r"0*[1-9][\dkKmM,:-]*", "a number of nodes, or LEAST-MOST", "4"),
    "cpus-per-task": _COUNT,
    "ntasks": _COUNT,
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-task"), _CARDS),
    **dict.fromkeys(("mem", "mem-per-cpu", "mem-per-gpu"), _MEMORY),
}
"""Option → what its whole value matches, that in words, and a value that is taken."""
_SIGNAL: Final = re.compile(r"(?P<to>[BR]:|BR:|RB:)?(?:SIG)?(?P<name>[A-Z]+\d?|\d+)(?:@(?P<seconds>\d+))?")


@dataclass(frozen=True, slots=True)
class Header:
    """An option of the header: its line, its long name, its value."""

    line: int
    name: str
    value: str


def findings(text: str) -> Iterator[Finding]:
    """Everything that is wrong with a file for sbatch."""
    yield from unreadable(text)
    headers, wrong = _headers(text)
    yield from wrong
    given = {header.name: header for header in headers}
    yield from _time(given)
    yield from _values(headers)
    yield from _requeue(given, text)
    if "nodes" in given and given["nodes"].value.split("-")[-1] != "1":
        yield from _ports(text)
        yield from _joined(text)
    yield from _handed_on(text)
    yield from shell_findings(text)


def _handed_on(text: str) -> Iterator[Finding]:
    """The words of a search that stand in `set -- WORDS` and reach it as "$@"."""
    if not re.search(r"\bmersearch launch .*\"\$@\"", text):
        return
    for number, line in script_lines(text):
        if found := re.search(r"\bset -- ([^;&|]+)", line):
            yield from launch_findings(found[1].split(), number)


def _values(headers: list[Header]) -> Iterator[Finding]:
    for header in headers:
        pattern, rule, fix = _VALUES.get(header.name, ("", "", ""))
        if pattern and not re.fullmatch(pattern, header.value):
            yield Finding(
                header.line, f"--{header.name} is {rule}", header.value, f"#SBATCH --{header.name}={fix}"
            )


def _joined(text: str) -> Iterator[Finding]:
    """A search beside a Ray of several nodes that does not join it would use the first node alone."""
    lines = list(script_lines(text))
    starts = any(re.search(r"\bray start\b", line) for _, line in lines)
    if not starts or "RAY_ADDRESS=" in text or re.search(r"\bset -- .*--address", text):
        return
    for number, line in lines:
        words = launch_words(line)
        if words and not joins(words):
            fix = '--address "$address:$port"'
            yield Finding(
                number, "the search joins the Ray of the job", "mersearch launch without --address", fix
            )


def _headers(text: str) -> tuple[list[Header], list[Finding]]:
    headers, wrong, over = list[Header](), list[Finding](), 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("#SBATCH"):
            over = over or (number if line.strip() and not line.startswith("#") else 0)
            if re.match(r"#\s*S?BATCH\b|#sbatch", line, re.IGNORECASE):
                rule = "Slurm reads lines that begin with #SBATCH"
                wrong.append(Finding(number, rule, line[:60], "#SBATCH, without a space, in capitals"))
            continue
        if over:
            rule = f"Slurm ignores #SBATCH after the first command, in line {over}"
            wrong.append(Finding(number, rule, line[:60], "move it up"))
        if line.count("'") % 2 or line.count('"') % 2:
            wrong.append(Finding(number, "every quote is closed", line[:60], "close it"))
        for option in _options(line):
            header = _header(number, option)
            headers.append(header)
            if header.name not in known("sbatch"):
                fix = did_you_mean(header.name, known("sbatch")).partition("? ")
                hint = f"{fix[0]}?" if fix[1] else "man sbatch lists them"
                wrong.append(Finding(number, f"sbatch has no option --{header.name}", option, hint))
    return headers, wrong


def _options(line: str) -> list[str]:
    """Options with their values: `-N 2` and `--time 24:00:00` are as good as `-N2` and `--time=24:00:00`."""
    try:
        words = shlex.split(line.removeprefix("#SBATCH"), comments=True)
    except ValueError:  # an open quote
        words = line.split()[1:]
    options = list[str]()
    for word in words:
        last = options[-1] if options else ""
        if word.startswith("-") or not last:
            options.append(word)
        elif last.startswith("--") and "=" not in last:
            options[-1] = f"{last}={word}"
        elif len(last) == len("-N"):
            options[-1] = last + word
        else:
            options.append(word)
    return options


def _header(line: int, option: str) -> Header:
    if option.startswith("--"):
        name, _, value = option[2:].partition("=")
        return Header(line, name, value)
    return Header(line, SHORT.get(option[1:2], option), option[2:])


def _time(given: dict[str, Header]) -> Iterator[Finding]:
    time = given.get("time")
    if time is None:
        rule = "without --time the partition's limit holds, and the queue plans with it"
        yield Finding(1, rule, fix="#SBATCH --time=24:00:00", note=True)
    elif not _TIME.fullmatch(time.value):
        fix = "minutes, HH:MM:SS or D-HH:MM:SS"
        yield Finding(time.line, "--time is a time of Slurm", time.value, fix)
    elif (signal := given.get("signal")) and (found := _SIGNAL.fullmatch(signal.value)):
        lead, limit = int(found["seconds"] or 0), _seconds(time.value)
        if 0 < limit <= lead:
            rule = "the time is longer than the signal's lead: else the job is stopped at once, and queues for ever"
            received = f"--time={time.value}, and the signal comes {lead} s before"
            yield Finding(time.line, rule, received, "#SBATCH --time=24:00:00")


def _seconds(time: str) -> int:
    """Seconds of a time limit that Slurm reads; 0 stands for no limit."""
    found = _TIME.fullmatch(time)
    assert found is not None
    parts = [int(part) for part in (found["first"] + found["rest"]).split(":")]
    if found["days"] is not None:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, minutes, seconds = 0, *(*parts, 0)[:2]
    return ((int(found["days"] or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _requeue(given: dict[str, Header], text: str) -> Iterator[Finding]:
    requeue, signal = given.get("requeue"), given.get("signal")
    if requeue is None:
        received, fix = "no --requeue", "#SBATCH --requeue"
        line = signal.line if signal else 1
        yield Finding(line, "a job that loses its node or its time queues again", received, fix)
    if signal is None:
        fix = "#SBATCH --signal=B:USR1@180"
        line = requeue.line if requeue else 1
        yield Finding(line, "the script hears before its time is up", "no --signal", fix)
        return
    found = _SIGNAL.fullmatch(signal.value)
    if found is None or found["seconds"] is None:
        yield Finding(signal.line, "--signal is B:NAME@SECONDS", signal.value, "--signal=B:USR1@180")
        return
    if "B" not in (found["to"] or ""):
        rule = "the signal goes to the script: without B: only to its steps"
        yield Finding(signal.line, rule, signal.value, f"--signal=B:{signal.value}")
    if not re.search(rf"^\s*trap\s.*\b(?:SIG)?{found['name']}\b", text, re.MULTILINE):
        rule = f"the script has a trap for {found['name']}"
        yield Finding(
            signal.line, rule, "none", "see the shipped file: the search ends, the job queues again"
        )
    if int(found["seconds"]) < 120:
        rule = "Slurm counts by the minute: the signal comes two minutes before the end, or earlier"
        yield Finding(signal.line, rule, f"@{found['seconds']}", "--signal=B:USR1@180")
    if "scontrol requeue" not in text:
        yield Finding(
            signal.line, "the script queues itself again", "no scontrol requeue", "see the shipped file"
        )
    mode = given.get("open-mode")
    if mode is None or mode.value != "append":
        rule = "a job that queues again appends to its log"
        line = mode.line if mode else signal.line
        yield Finding(line, rule, mode.value if mode else "no --open-mode", "#SBATCH --open-mode=append")


def _ports(text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        found = re.search(r"--port[= ](\d+)", line)
        if found:
            fix = "derive it from SLURM_JOB_ID, as the shipped file does"
            yield Finding(number, "every job has a port of its own: two may share a node", found[1], fix)
