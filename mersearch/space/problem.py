"""A broken rule at one key of a configuration; whoever knows the file turns it into an error with a line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from mersearch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule."""

    path: str
    """Dotted key, as in the YAML."""
    rule: str
    """Completes the sentence that starts with the key, or a whole sentence where `whole` is set."""
    received: str = ""
    fix: str = ""
    whole: bool = False

    def error(self, place: str = "") -> ConfigError:
        """The error to raise; `place` is `file:line` or the override of the command line."""
        sentence = self.rule if self.whole else f"{self.path} {self.rule}"
        return ConfigError(
            f"{place}: {sentence}" if place else sentence, received=self.received, fix=self.fix
        )


def unknown_key(path: str, key: str, valid: Iterable[str]) -> Problem:
    """The problem of a key that does not exist: the closest valid one, and all of them."""
    return Problem(path, f"unknown key {path}", received=key, fix=did_you_mean(key, valid), whole=True)


def did_you_mean(key: str, valid: Iterable[str], what: str = "valid keys") -> str:
    """A fix naming the closest valid key, if one is close, and all valid ones."""
    names = sorted(valid)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}{what}: {', '.join(names) if names else 'none'}"
