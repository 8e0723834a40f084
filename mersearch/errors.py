"""One small exception tree. Every message names the rule, what was received and the likely fix."""

from __future__ import annotations

from collections.abc import Sequence


class MersearchError(Exception):
    """Base of every error that is not a bug of ours; the command line prints it without a traceback.

    Attributes:
        exit_code: exit code of the command line, see the README.
    """

    exit_code = 2

    def __init__(self, rule: str, *, received: str = "", fix: str = "") -> None:
        self.rule, self.received, self.fix = rule, received, fix
        super().__init__(rule, received, fix)

    def __str__(self) -> str:
        parts = [self.rule]
        if self.received:
            parts.append(f"received: {self.received}")
        if self.fix:
            parts.append(f"fix: {self.fix}")
        return "\n  ".join(parts)

    @property
    def line(self) -> str:
        """All of it in one line, for a log."""
        received, fix = (" ".join(part.split()) for part in (self.received, self.fix))
        said = f"{self.rule}: {received}" if received else self.rule
        return f"{said} ({fix})" if fix else said

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.rule, self.received, self.fix))


def _rebuild(cls: type[MersearchError], rule: str, received: str, fix: str) -> MersearchError:
    error = cls.__new__(cls)
    MersearchError.__init__(error, rule, received=received, fix=fix)
    return error


class ConfigError(MersearchError):
    """The configuration or the search space breaks a rule."""


class DataError(MersearchError):
    """A database, a clip or a cache on disk breaks a rule."""


class RunError(MersearchError):
    """A run directory cannot be read, or cannot be used now."""


class ClusterError(MersearchError):
    """Ray cannot be reached or started."""


class TrialFailure(MersearchError):
    """One configuration cannot be trained (a NaN, an exception of the algorithm); the search goes on."""


class ChunkTooLarge(TrialFailure):
    """The clips, or the folds of a chunk together, do not fit into the memory of a card; in another way they may."""


class NothingRan(MersearchError):
    """Every trial failed, so there is nothing to report."""


class Interrupted(MersearchError):
    """Stopped before the end with everything finished kept (interrupt, disk full); resume goes on."""

    exit_code = 3


class ProcessDied(Interrupted):
    """A process that trains folds died, which says nothing of the configuration: killed, or out of memory."""


class Stopped(Interrupted):
    """Stopped because the user wanted it (Ctrl-C, SIGTERM): no error, and told as what it is."""


class TimeUp(Interrupted):
    """The time budget of the command is used up; what it has finished is told, and resume goes on."""


class Several(MersearchError):
    """Several independent errors, shown together."""

    def __init__(self, errors: Sequence[MersearchError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in errors))


def raise_all(errors: Sequence[MersearchError]) -> None:
    """Raise nothing, the only error, or all of them as `Several`."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Several(errors)


_FULL = ("out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
"""In the messages of a card without memory left: of the allocator, of the driver, and of cuBLAS, cuDNN and others."""


def out_of_memory(error: BaseException) -> bool:
    """Whether the memory of a card was exhausted."""
    full = isinstance(error, RuntimeError) and any(text in str(error) for text in _FULL)
    return full or isinstance(error, ChunkTooLarge)
