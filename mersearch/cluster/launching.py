"""The rules of the `mersearch` commands in a cluster file, as far as they show without its search space."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
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
    """Unknown commands, unknown keys, and values that their key does not take."""
    for first, *words in commands(text):
        if re.fullmatch(r"[a-z]+", first) and first not in known("mersearch"):
            fix = did_you_mean(first, known("mersearch"), "commands")
            yield Finding(line, f"mersearch has no command {first}", first, fix)
        elif first == "launch":
            for word in words:
                if problem := _problem(word):
                    rule = problem.rule if problem.whole else f"{problem.path} {problem.rule}"
                    yield Finding(line, rule, problem.received, problem.fix)


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
