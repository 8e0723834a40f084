"""What holds for all commands: how an interrupt and a full disk end them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from mersearch.disk import is_full
from mersearch.errors import Interrupted, Stopped


class Interruptible(TyperGroup):
    """Ctrl-C and a full disk end any command with exit code 3, whatever it was doing."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; see the class."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped("everything finished is kept", fix="the same command goes on") from None
        except OSError as error:
            if not is_full(error):
                raise
            raise Interrupted(
                "the disk is full; everything finished is kept",
                received=f"{error.filename or 'standard output or a temporary file'}: {error.strerror}",
                fix="make room, then give the same command again: it goes on where it can",
            ) from error
