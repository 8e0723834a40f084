"""The rules of a Dockerfile and of an Apptainer definition."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mersearch.cluster.document import Finding
from mersearch.cluster.known import known
from mersearch.cluster.rules import NO_USAGE, USAGE


def dockerfile(text: str) -> Iterator[Finding]:
    """Everything that is wrong with a Dockerfile."""
    continued = False
    for number, line in enumerate(text.splitlines(), 1):
        word = line.split(" ", 1)[0]
        if (
            line.strip()
            and not continued
            and not line.startswith("#")
            and word.upper() not in known("dockerfile")
        ):
            yield Finding(number, "a Dockerfile has no such instruction", word, "see the shipped file")
        continued = line.endswith("\\") or (continued and line.startswith("#"))
        if line.startswith("FROM "):
            yield from _base(line.split()[1], number)
        if line.startswith("EXPOSE"):
            yield Finding(
                number, "the image offers no port", line, "leave it out: Ray's ports are no service"
            )
    last = max((n for n, line in enumerate(text.splitlines(), 1) if line.startswith("FROM ")), default=1)
    if not re.search(r"^USER (?!root\b|0\b)\w+", text, re.MULTILINE):
        yield Finding(last, "the image runs as a user without rights", "no USER", "USER mersearch")
    yield from _installed(text, last)


def definition(text: str) -> Iterator[Finding]:
    """Everything that is wrong with an Apptainer definition."""
    first = 1
    for number, line in enumerate(text.splitlines(), 1):
        section = re.match(r"%(\w+)", line)
        if section and section[1] not in known("apptainer"):
            yield Finding(number, "an Apptainer definition has no such section", line, "see the shipped file")
        if line.startswith("From:"):
            first = number
            yield from _base(line.split()[1], number)
    yield from _installed(text, first)


def _base(image: str, line: int) -> Iterator[Finding]:
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    if "@" not in image and tag in ("", "latest"):
        yield Finding(line, "the base image has a fixed version", image, f"{image.partition(':')[0]}:VERSION")


def _installed(text: str, line: int) -> Iterator[Finding]:
    code = "\n".join("" if row.startswith("#") else row for row in text.splitlines())
    if not re.search(r"\bpip install\b(?:[^\n]|\\\n)*\bmersearch\b", code):
        yield Finding(line, "the image must have this package in it", "no pip install … mersearch", "add it")
    elif "constraints.txt" not in code:
        row = next(n for n, part in enumerate(code.splitlines(), 1) if "pip install" in part)
        yield Finding(
            row, "the versions are those of constraints.txt", "no -c", "-c /wheelhouse/constraints.txt"
        )
    if f"{USAGE}=0" not in code:
        yield Finding(line, "usage statistics are off", f"no {USAGE}=0", NO_USAGE)
