"""What a Ray of this process needs around it, and what is put back after it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mersearch.errors import ClusterError
from mersearch.search import guardian

LONGEST: Final = 24
"""Characters of a temporary folder: Ray puts Unix sockets (at most 107) 83 characters below it."""


@contextmanager
def short_folder() -> Iterator[Path]:
    """A new folder with a short path, which a guardian removes even after this process was killed."""
    where = tempfile.gettempdir()
    try:
        folder = Path(tempfile.mkdtemp(prefix="mersearch-", dir=where if len(where) <= LONGEST else "/tmp"))
    except OSError as error:
        fix = "set TMPDIR to a writable folder with a short path"
        raise ClusterError("Ray needs a temporary folder", received=str(error), fix=fix) from error
    command = [sys.executable, "-I", guardian.__file__, str(folder), str(os.getpid())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    ):
        yield folder


@contextmanager
def environment(variables: Mapping[str, str], without: tuple[str, ...] = ()) -> Iterator[None]:
    """`variables` in the environment, those of `without` not, until the context ends."""
    before = {name: os.environ.get(name) for name in (*variables, *without)}
    os.environ.update(variables)
    for name in without:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        refresh_authentication()


@contextmanager
def handler_kept(number: signal.Signals) -> Iterator[None]:
    """Put the handler of a signal back, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before)


def own_token(folder: Path) -> dict[str, str]:
    """The variables of a token of its own, in a file that only this user reads."""
    path = folder / "token"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode())
    finally:
        os.close(descriptor)
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


def refresh_authentication() -> None:
    """Make Ray read the authentication variables again: it does so once, when it is imported."""
    raylet: Any = sys.modules.get("ray._raylet")
    if raylet is None:
        return
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()
