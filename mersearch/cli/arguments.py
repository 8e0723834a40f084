"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to the configuration, as search.trials=50."),
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to the configuration, as run.root=elsewhere."),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A path, or a name under --root.")]
Root = Annotated[Path, typer.Option("--root", help="Folder of the runs.")]
Configuration = Annotated[
    Path, typer.Argument(metavar="CONFIG.yaml", help="A configuration, as export writes it.")
]
Address = Annotated[
    str | None, typer.Option(help="HOST:PORT of a Ray cluster; else RAY_ADDRESS, else this machine.")
]
RUNS = Path("runs")
