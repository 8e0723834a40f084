"""Rules that hold of cluster files of more than one kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from mersearch.cluster.document import Finding
from mersearch.cluster.launching import mersearch_findings
from mersearch.cluster.questions import CHANGE_ME, left_open

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
USAGE: Final = "RAY_USAGE_STATS_ENABLED"
NO_USAGE: Final = f"set {USAGE}=0 for every Ray"
DRAIN: Final = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
DEFAULT_DRAIN: Final = 30.0
"""Seconds that Ray 2.60 waits where the variable is not set."""
_ASSIGNED: Final = re.compile(r"(?:^|[\s;&(])(?:export\s+)?(RAY_\w+)=(\"[^\"]*\"|'[^']*'|\$\([^)]*\)|\S*)")
_RAY_STOP: Final = re.compile(r"(?<![\w`-])ray\s+stop\b")
_RAY_START: Final = re.compile(r"(?<![\w`-])ray\s+start\b(.*)")


def assigned(line: str) -> dict[str, str]:
    """The variables of Ray that a shell line sets."""
    return {name: value.strip("\"'").rstrip(";") for name, value in _ASSIGNED.findall(line)}


def image_findings(image: str, line: int) -> Iterator[Finding]:
    """Whether an image, by its name, has the package in it, and one fixed version of it."""
    name, _, tag = image.rpartition("/")[2].partition("@")[0].partition(":")
    if "mersearch" not in name:
        fix = "build one from the shipped Dockerfile, with mersearch in its name"
        yield Finding(line, "the image must have this package in it", image, fix)
    elif "@" not in image and tag in ("", "latest"):
        fix = "name a version: nodes that start later must run the same one"
        yield Finding(line, "the image must have a fixed version", image, fix)


def secret_findings(text: str) -> Iterator[Finding]:
    """Lines that hold a token itself instead of where it is."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.search(r"RAY_AUTH_TOKEN\b[\"']?\s*[=:,]\s*(?:value:\s*)?[\"']?([^\s\"'${},]+)", line)
        if found and not line.lstrip().startswith("#"):
            fix = "name a file (RAY_AUTH_TOKEN_PATH) or a Kubernetes secret instead"
            yield Finding(number, "no secret stands in a file", "RAY_AUTH_TOKEN=…", fix)


def unfilled(text: str) -> Iterator[Finding]:
    """Every place that only the user can fill in; one in a comment is a note, since nothing reads it."""
    for number, line in enumerate(text.splitlines(), 1):
        if CHANGE_ME in line:
            received = line.strip().partition("  #=")[0]
            read = re.sub(r"(^|\s)#(?!SBATCH\b).*", "", line)
            option = left_open(read)
            fix = f"write the value there{f', or render the file again with --{option}' if option else ''}"
            rule, note = f"{CHANGE_ME} is still to be filled in", CHANGE_ME not in read
            yield Finding(number, rule, received[:90], "" if note else fix, note)


def command_findings(command: str, line: int, environment: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with a shell line that starts or ends Ray or a search, given the variables set for it."""
    yield from mersearch_findings(command, line)
    if _RAY_STOP.search(command):
        fix = "end what was started, by its process id: ray stop ends every Ray of the machine"
        yield Finding(line, "ray stop has no place here", command.strip()[:80], fix)
    found = _RAY_START.search(command)
    if not found:
        return
    known = {**environment, **assigned(command)}
    options = found[1]
    if known.get("RAY_AUTH_MODE") != "token":
        fix = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH before it"
        yield Finding(line, "every Ray is started with a token", "ray start without RAY_AUTH_MODE=token", fix)
    elif not known.get("RAY_AUTH_TOKEN_PATH"):
        fix = "set RAY_AUTH_TOKEN_PATH to a file that only its user reads"
        yield Finding(line, "the token of a Ray is named", "ray start without RAY_AUTH_TOKEN_PATH", fix)
    if known.get(USAGE) != "0":
        yield Finding(line, "usage statistics are off", f"ray start without {USAGE}=0", NO_USAGE)
    host = re.search(r"--dashboard-host[= ](\S+)", options)
    if host and host[1].strip("\"'") not in LOOPBACK:
        fix = "--include-dashboard=false, or leave it on 127.0.0.1 and use ssh -L"
        yield Finding(line, "the dashboard stays on loopback", f"--dashboard-host {host[1]}", fix)
    if "--ray-debugger-external" in options:
        yield Finding(line, "no debugger listens to the network", "--ray-debugger-external", "leave it out")
