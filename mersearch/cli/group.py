"""What holds for all commands: how their help shows flags, and how an interrupt and a full disk end them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mersearch.disk import is_full
from mersearch.errors import Interrupted, Stopped
from mersearch.interrupts import ignore_interrupts, interrupt_kept


class _Flags:
    """The help shows no type beside an option that takes no value."""

    def get_params(self, ctx: typer.Context) -> list[Any]:
        """The parameters; see the class."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class Command(_Flags, TyperCommand):  # type: ignore[misc]
    """One command."""


class Group(_Flags, TyperGroup):  # type: ignore[misc]
    """Commands under a name of their own."""


class Interruptible(Group):
    """Ctrl-C and a full disk end any command with exit code 3, whatever it was doing."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; see the class."""
        try:
            with interrupt_kept():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ignore_interrupts()
            raise Stopped("everything finished is kept", fix="the same command goes on") from None
        except OSError as error:
            if not is_full(error):
                raise
            raise Interrupted(
                "the disk is full; everything finished is kept",
                received=f"{error.filename or 'standard output or a temporary file'}: {error.strerror}",
                fix="make room, then give the same command again: it goes on where it can",
            ) from error
