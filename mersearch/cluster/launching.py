"""The rules of the `mersearch` commands in a cluster file, as far as they show without its search space."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from mersearch.cluster.document import Finding
from mersearch.cluster.known import known
from mersearch.config.load import KEYS, SECTIONS
from mersearch.config.overrides import parse_overrides
from mersearch.config.schema import Schema
from mersearch.errors import ConfigError, Several
from mersearch.space.problem import Problem, did_you_mean, unknown_key

_COMMAND: Final = re.compile(r"(?:^|[;&|(\n]|\b(?:exec|then|do)\s)\s*mersearch[ \t]+(?P<words>[^;&|\n]+)")
_COPIED: Final = re.compile(r"(?:^|['\"\s])mersearch[ \t]+(?P<words>[a-z][^;&|'\"`]*)")
_WORDS: Final = re.compile(r"--[a-z]|[a-z]\w*\.[\w.]+=")
"""What a command has behind it and prose has not."""
_ENDS: Final = re.compile(r"[.:](?:\s|$)")
"""The end of a sentence, and of what it names."""
_OPEN: Final = re.compile(r"=(?:[A-Z][A-Z_-]*|…|<.*>)?$")
"""A value that stands for one, as in search.trials=N."""
_CLOSE: Final = 0.85
_ALIKE: Final = 0.7
_KEY: Final = re.compile(r"\+{0,2}(?P<key>[a-z]\w*(?:\.\w+)+)=[^$`]*")


def commands(text: str) -> Iterator[list[str]]:
    """The words behind each `mersearch` that stands where a shell line has a command."""
    for found in _COMMAND.finditer(text.replace("\\\n", " ")):
        try:
            words = shlex.split(found["words"])
        except ValueError:
            continue
        if words:
            yield words


def launch_words(text: str) -> list[str]:
    """The words of the first `mersearch launch` of a shell line; empty where it has none."""
    return next((words for words in commands(text) if words[0] == "launch"), [])


def joins(words: list[str]) -> bool:
    """Whether a command names the Ray that it joins."""
    return any(word == "--address" or word.startswith("--address=") for word in words)


def given(words: list[str], key: str) -> str:
    """The value that the last word with this key gives; empty where none does."""
    values = [word.partition("=")[2] for word in words if word.lstrip("+").partition("=")[0] == key]
    return values[-1] if values else ""


def mersearch_findings(text: str, line: int) -> Iterator[Finding]:
    """Unknown commands, and what is wrong with the words of a launch."""
    for first, *words in commands(text):
        if re.fullmatch(r"[a-z]+", first) and first not in known("mersearch"):
            fix = did_you_mean(first, known("mersearch"), "commands")
            yield Finding(line, f"mersearch has no command {first}", first, fix)
        elif first == "launch":
            yield from launch_findings(words, line)


def launch_findings(words: Sequence[str], line: int) -> Iterator[Finding]:
    """Unknown options and keys behind `mersearch launch`, and values that their key does not take."""
    for word in words:
        option = re.fullmatch(r"--?([a-z][\w-]*)(=.*)?", word)
        if option and option[1] not in known("launch"):
            fix = did_you_mean(option[1], known("launch"), "options")
            yield Finding(line, f"mersearch launch has no option {word.partition('=')[0]}", word, fix)
        elif problem := _problem(word):
            rule = problem.rule if problem.whole else f"{problem.path} {problem.rule}"
            yield Finding(line, rule, problem.received, problem.fix)


def copied_findings(text: str) -> Iterator[Finding]:
    """What is wrong with the commands in the comments of a file, which its user is told to copy.

    Prose is none: a launch is known by its two words and what looks like an option or a key of the platform behind
    them, another command by being almost one, with such words behind it.
    """
    for number, comment in _comments(text):
        for found in _COPIED.finditer(comment):
            first, *words = (word.rstrip(",)") for word in _ENDS.split(found["words"])[0].split())
            if first == "launch":
                yield from launch_findings([word for word in words if _meant(word)], number)
            elif any(_WORDS.match(word) for word in words):
                yield from _almost(first, number)


def _meant(word: str) -> bool:
    """Whether a word behind a launch is one of its own, or almost: no placeholder, no option of another program."""
    option = word.removeprefix("--").partition("=")[0]
    close = difflib.get_close_matches(option, known("launch"), n=1, cutoff=_ALIKE)
    return not _OPEN.search(word) and (not word.startswith("--") or bool(close))


def _almost(command: str, line: int) -> Iterator[Finding]:
    close = difflib.get_close_matches(command, known("mersearch"), n=1, cutoff=_CLOSE)
    if close and command not in close:
        yield Finding(line, f"mersearch has no command {command}", command, f"did you mean {close[0]}?")


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are comments, with their numbers; one that ends with a backslash goes on in the next."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*#(?!!|SBATCH\b)(.*)", line)
        if found is None:
            joined, first = "", 0
            continue
        first = first or number
        joined += found[1]
        if not joined.endswith("\\"):
            yield first, joined
            joined, first = "", 0
        else:
            joined = joined[:-1]


@cache
def _schema(section: str) -> Schema:
    record, extra = SECTIONS[section]
    return Schema(record, section, extra)


def _problem(word: str) -> Problem | None:
    """What is wrong with KEY=VALUE; None with other words, and with keys that only the search space knows."""
    found = _KEY.fullmatch(word)
    if not found:
        return None
    key = found["key"]
    section = key.partition(".")[0]
    if section not in KEYS:
        return unknown_key(section, section, KEYS)
    if section not in SECTIONS:
        return None
    schema = _schema(section)
    if key in schema.leaves:
        try:
            refused = schema.accept(key, parse_overrides([word])[0].value)[1]
        except (ConfigError, Several) as error:
            return Problem(key, "cannot be read", word, str(getattr(error, "fix", "")))
        fix = "mersearch launch SPACE --dry-run shows what it takes"
        return Problem(key, f"must be {refused}", word, fix) if refused else None
    within = any(key.startswith(f"{leaf}.") for leaf in schema.leaves)
    return None if within or key in schema.nodes else schema.unknown(key)
