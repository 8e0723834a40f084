"""The command line: which commands there are, in the order of the help. Each is a short function in a module here;
what it does is in the modules that it calls.
"""

from __future__ import annotations

import atexit
import io
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from mersearch import __version__
from mersearch.cli import clusters
from mersearch.cli.configurations import evaluate, train
from mersearch.cli.databases import check, show, synthesize
from mersearch.cli.group import Command, Group, Interruptible
from mersearch.cli.machine import doctor
from mersearch.cli.runs import compare, export, simulate, status
from mersearch.cli.searches import ablate, launch, resume, verify
from mersearch.errors import MersearchError
from mersearch.interrupts import handler_restored, ignore_interrupts, over

Commands = tuple[tuple[Callable[..., None], str], ...]
"""Commands, each with the example that ends its help."""
COMMANDS: Commands = (
    (launch, "launch quintuplet search.trials=20 run.name=first"),
    (resume, "resume runs/quintuplet search.trials=150"),
    (status, "status runs/quintuplet"),
    (compare, "compare runs/quintuplet runs/disentangle"),
    (simulate, "simulate runs/quintuplet --workers 4"),
    (export, "export runs/quintuplet --top 3 -o best/"),
    (evaluate, "evaluate runs/quintuplet/export/best.yaml"),
    (verify, "verify runs/quintuplet --nested 5"),
    (ablate, "ablate runs/quintuplet/export/best.yaml"),
    (train, "train runs/quintuplet/export/best.yaml"),
    (doctor, "doctor --root runs"),
)
DATA: Commands = (
    (check, "data check casme2 /data/CASME2"),
    (show, "data show casme2 /data/CASME2 -o casme2.png"),
    (synthesize, "data synthesize demo/casme2 --layout casme2 --subjects 8"),
)
CLUSTER: Commands = (
    (clusters.render, "cluster render aws --max-workers 4 --hours 12 -o aws.yaml"),
    (clusters.check, "cluster check aws.yaml"),
)

app = typer.Typer(
    cls=Interruptible,
    help="Hyperparameter search for micro-expression recognition, judged leave-one-subject-out.",
    epilog="Example: mersearch launch quintuplet search.trials=20 run.name=first",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


def _add(group: typer.Typer, commands: Commands) -> None:
    for command, example in commands:
        group.command(cls=Command, epilog=f"Example: mersearch {example}")(command)


def _group(name: str, about: str, commands: Commands) -> None:
    """Commands under a name of their own; the help ends with the example of the first."""
    group = typer.Typer(
        cls=Group, help=about, epilog=f"Example: mersearch {commands[0][1]}", no_args_is_help=True
    )
    _add(group, commands)
    app.add_typer(group, name=name)


_add(app, COMMANDS)
_group("data", "Databases on disk: check a real one, write a synthetic one.", DATA)
_group("cluster", "Files that start Ray elsewhere: fill one in, check one.", CLUSTER)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hyperparameter search for micro-expression recognition, judged leave-one-subject-out."""


def main() -> None:
    """The command line: errors of the user's become one message and an exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # a terminal may lack letters, and a path may hold bytes that are none
        sys.stdout.reconfigure(errors="backslashreplace")
    with handler_restored():
        try:
            app()
        except MersearchError as error:
            ignore_interrupts()
            from mersearch.console.errors import text

            print(text(error), file=sys.stderr)
            sys.exit(error.exit_code)


def script() -> None:
    """The console script: `main`, and a Ctrl-C after its end does not change how it ended.

    While Python cleans up, it ends the process at once; later, when Python has no handlers any more, it is ignored.
    """
    atexit.register(ignore_interrupts)  # what is registered first comes last
    try:
        main()
    except SystemExit as end:
        over(end.code if isinstance(end.code, int) else int(end.code is not None))
        raise
