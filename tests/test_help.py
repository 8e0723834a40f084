"""`--help` of every command, as a terminal of 80 columns shows it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mersearch.cli import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Words → command, groups included."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


EVERY = dict(commands(get_command(app)))


@pytest.mark.parametrize("path", EVERY, ids=lambda path: " ".join(path) or "mersearch")
def test_help_fits_80_columns_and_ends_with_a_command_that_its_parser_takes(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    lines = [line.strip() for line in shown.output.splitlines() if line.strip()]
    assert max(map(len, lines)) <= 80
    assert "[[" not in shown.output
    assert "bool" not in shown.output.lower(), "a flag takes no value"
    assert lines[-1].startswith("Example: mersearch ")

    words = shlex.split(lines[-1].removeprefix("Example: mersearch "))
    known = max((other for other in EVERY if tuple(words[: len(other)]) == other), key=len)
    assert known[: len(path)] == path, "the example is one of this command"
    command = EVERY[known]
    assert not hasattr(command, "commands"), "the example names a whole command"
    command.make_context("mersearch", words[len(known) :])


def test_changes_to_the_configuration_are_shown_as_what_they_are() -> None:
    shown = CliRunner().invoke(app, ["launch", "--help"])
    assert "[KEY=VALUE]..." in shown.output
