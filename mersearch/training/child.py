"""The other side of `mersearch.training.processes`: a process that trains one fold after another.

It unpickles what the process that started it has sent over the socket that both inherited, and reads no other thing.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

Reply = tuple[str, Any, str]
"""What came of a task (`done`, `failed`, `raised`), the result or the exception, and a traceback."""


def main(arguments: list[str]) -> None:
    """Answer tasks until the other side hangs up.

    Args:
        arguments: file descriptors of the connection, of the pipe that breaks when the parent dies, and of the data.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, parent, data = (int(argument) for argument in arguments)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with Connection(connection) as line:
        _answer(line, data)


def _answer(line: Connection, descriptor: int) -> None:
    from mersearch import numerics
    from mersearch.training.results import train_fold

    try:
        threads, layout = line.recv()
        numerics.apply({"threads": threads})
        data = layout.open(descriptor)
        work: tuple[Any, int, Any, Any] | None = None
        while True:
            kind, content = line.recv()
            if kind == "algorithm":
                packed, work = content, None
                continue
            try:
                algorithm, seed, dtype, starts = work = work or pickle.loads(packed)
                line.send(("done", train_fold(algorithm, data, content, seed, dtype, starts), ""))
            except Exception as error:
                line.send(_told(error))
    except (EOFError, ConnectionError):
        return


def _told(error: Exception) -> Reply:
    from mersearch.errors import TrialFailure

    text = traceback.format_exc()
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return "failed" if isinstance(error, TrialFailure) else "raised", error, text


def _end_with(parent: int) -> None:
    """Wait until the parent has closed its end of the pipe, which it does by dying too."""
    os.read(parent, 1)
    os._exit(1)
