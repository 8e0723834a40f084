"""Commands that read a run and train nothing: status, compare, simulate and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mersearch.cli.arguments import RUNS, Root, Run


def status(
    run: Run,
    root: Root = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """How far a search is, and its best configuration so far."""
    from mersearch import summary
    from mersearch.store import RunDirectory

    found = RunDirectory.find(run, root)
    state = found.read()
    print(
        json.dumps(summary.facts(found, state), indent=2)
        if as_json
        else "\n".join(summary.text(found, state))
    )


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN_A", help="A path, or a name under --root.")],
    second: Annotated[str, typer.Argument(metavar="RUN_B", help="Another run on the same clips.")],
    root: Root = RUNS,
    metric: Annotated[
        str | None, typer.Option(help="uf1, uar or accuracy; what both searches maximised by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Is one run's outcome better than another's? Paired over the same subjects."""
    from mersearch.comparison import compare as paired
    from mersearch.comparison import lines, require_metric
    from mersearch.store import RunDirectory

    require_metric(metric)
    found = paired(RunDirectory.find(first, root), RunDirectory.find(second, root), metric=metric)
    print(json.dumps(found.facts(), indent=2) if as_json else "\n".join(lines(found)))


def simulate(
    run: Run,
    root: Root = RUNS,
    workers: Annotated[int, typer.Option(min=1, help="Trials at once.")] = 1,
) -> None:
    """What another scheduler would have done with the trials of a run; trains nothing."""
    from mersearch.simulation.other import lines, outcomes
    from mersearch.store import RunDirectory

    found = RunDirectory.find(run, root)
    print("\n".join(lines(found, outcomes(found, workers=workers), workers=workers)))


def export(
    run: Run,
    root: Root = RUNS,
    top: Annotated[int, typer.Option(min=1, help="How many configurations, the best first.")] = 1,
    folder: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder; RUN/export by default.")
    ] = None,
    front: Annotated[
        bool, typer.Option("--front", help="Instead: those that no other one matches in less time per fold.")
    ] = False,
) -> None:
    """Write the best configurations as YAML that runs again."""
    from mersearch.export import export as write
    from mersearch.store import RunDirectory

    found = RunDirectory.find(run, root)
    written = write(found, top=top, folder=folder, pareto=front)
    files = written.files
    if len(files) < top and not front:
        print(f"{len(files)} of {top}: no other trial has all folds")
    for file in files:
        print(file)
    print("\n".join(written.lines))
    print(f"next: mersearch evaluate {files[0]}")
    print(f"      mersearch ablate {files[0]}")
    print(f"      mersearch train {files[0]}")
