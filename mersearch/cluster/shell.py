"""The rules of a shell script that starts Ray."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

from mersearch.cluster.document import Finding
from mersearch.cluster.rules import assigned, command_findings


def findings(text: str) -> Iterator[Finding]:
    """Everything that is wrong with the commands of a script; here documents are text, not commands.

    A variable holds for the commands below the line that sets it.
    """
    environment: dict[str, str] = {}
    for number, command in script_lines(text):
        if re.match(r"\s*(export\s|RAY_\w+=)", command):
            environment |= assigned(command)
        yield from command_findings(command, number, environment)


def unreadable(text: str) -> Iterator[Finding]:
    """What `bash -n`, which runs nothing, cannot read of a script; nothing where there is no bash."""
    bash = shutil.which("bash")
    if bash is None or not re.match(r"#!.*\b(ba)?sh\b", text):
        return
    run = subprocess.run(
        [bash, "-n"], input=text, env={"LC_ALL": "C"}, capture_output=True, text=True, check=False, timeout=60
    )
    found = re.search(r"line (\d+): (.*)", run.stderr)
    if run.returncode and found is not None:
        last = len(text.splitlines())
        fix = "a quote, a bracket, fi, done or esac is missing or too many there, or above"
        yield Finding(min(int(found[1]), last), "bash can read the script", found[2][:80], fix)


def script_lines(text: str) -> Iterator[tuple[int, str]]:
    """Commands with their line; continued ones joined, comments cut, here documents left out."""
    for number, line in _commands(text):
        yield number, re.sub(r"(^|\s)#.*$", "", line)


def _commands(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, continued ones joined, here documents left out."""
    end, joined, first = "", "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if end:
            end = "" if line.strip() == end else end
            continue
        here = re.search(r"<<-?\s*(['\"]?)(\w+)\1\s*$", line)
        end = here[2] if here else ""
        first = first or number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        yield first, joined + line
        joined, first = "", 0
