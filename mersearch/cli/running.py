"""What several commands do: search a configuration, and read one that is not a search space."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mersearch.counted import counted
from mersearch.errors import ConfigError, Stopped

if TYPE_CHECKING:
    from mersearch.config.records import Config


def search(config: Config, address: str | None) -> None:
    """Search a configuration in its run, new or opened again, on the machine or cluster at `address`."""
    from mersearch.console import preparing
    from mersearch.opening import open_run
    from mersearch.placing import mode_at
    from mersearch.searching import search as run_search

    since = time.monotonic()
    with preparing() as report:
        opened = open_run(config, report, mode_at(config, address))
    with _resumable(opened.run.path):
        run_search(opened, address, say, since=since)


def say(lines: Sequence[str]) -> None:
    """Print lines at once; no line where there is none."""
    if lines:
        print("\n".join(lines), flush=True)


@contextmanager
def _resumable(run: Path) -> Iterator[None]:
    """Ctrl-C before or after the search itself says how to go on, as it does within."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped("everything finished is kept", fix=f"mersearch resume {run} goes on") from None


def single(file: Path, overrides: list[str] | None) -> Config:
    """The one configuration of a file.

    Raises:
        ConfigError: there is no such file, or it is a search space.
    """
    from mersearch.config import compose

    _require_there(file)
    config = compose(file, overrides or ())
    if config.space.parameters or config.search.points:
        points = len(config.search.points)
        raise ConfigError(
            "one configuration is wanted, not a search space",
            received=f"{file} searches {counted(len(config.space.parameters), 'parameter')}"
            + (f" and lists {counted(points, 'point')}" if points else ""),
            fix="mersearch export RUN writes a configuration; or fix every parameter by KEY=VALUE",
        )
    return config


def _require_there(file: Path) -> None:
    """Raise ConfigError where a file is neither there nor a shipped search space.

    A name that no file can have is left to `compose`, which tells it.
    """
    from mersearch.config.shipped import shipped_space
    from mersearch.similar import did_you_mean

    try:
        if os.path.lexists(file.expanduser()) or shipped_space(file):
            return
        beside = did_you_mean(file.expanduser())
    except (OSError, RuntimeError):
        return
    raise ConfigError(
        "a configuration is a YAML file, as mersearch export writes it",
        received=f"{file} does not exist",
        fix=f"{beside}mersearch export RUN writes one",
    )
