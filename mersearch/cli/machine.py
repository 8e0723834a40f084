"""The command on the machine itself: doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from mersearch.cli.arguments import RUNS, Root


def doctor(
    root: Root = RUNS,
    address: Annotated[str | None, typer.Option(help="Ray address to try; RAY_ADDRESS by default.")] = None,
) -> None:
    """What this machine offers, and what is wrong with it."""
    from mersearch.doctor import examine, lines

    findings = examine(root, address)
    print("\n".join(lines(findings)))
    if any(finding.blocking for finding in findings):
        raise typer.Exit(2)
