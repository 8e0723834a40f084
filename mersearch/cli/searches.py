"""Commands that search: launch, resume, verify and ablate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mersearch.cli.arguments import RUNS, Address, Changes, Configuration, Overrides, Root, Run
from mersearch.cli.running import say, search, single

if TYPE_CHECKING:
    from mersearch.config.records import Config


def launch(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="A YAML file, or the name of a shipped one.")],
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and train nothing.")] = False,
    address: Address = None,
) -> None:
    """Start a search, or go on with it where the run exists."""
    from mersearch.config import compose

    config = compose(space, overrides or ())
    if dry_run:
        _dry_run(config, address)
    else:
        search(config, address)


def _dry_run(config: Config, address: str | None) -> None:
    from mersearch.console import preparing
    from mersearch.placing import place
    from mersearch.planning import dry_run, refusal

    where = place(config, address)
    with preparing() as report:
        lines = dry_run(config, where, report)
    print("\n".join(lines), flush=True)
    if refused := refusal(config):
        raise refused


def resume(
    run: Run,
    overrides: Overrides = None,
    root: Root = RUNS,
    address: Address = None,
) -> None:
    """Go on with a search, from its mirror too (s3://…); search.trials=N or another budget extends it."""
    from mersearch.opening import extend
    from mersearch.store import RunDirectory
    from mersearch.store.claim import is_mirror
    from mersearch.store.mirror import download

    folder = Path(run)
    if "://" in run or is_mirror(folder):
        print(f"Fetching {run}…", flush=True)
        address_of_mirror = run if "://" in run else str(folder.absolute())
        run = str(download(address_of_mirror, root, lambda line: say([line])))
    search(extend(RunDirectory.find(run, root), overrides or ()), address)


def verify(
    run: Run,
    nested: Annotated[int, typer.Option(min=2, help="Groups of subjects; as many searches are run.")] = 5,
    root: Root = RUNS,
    address: Address = None,
) -> None:
    """The gold standard: the whole search again without each group of subjects, judged on that group."""
    from mersearch.console import preparing
    from mersearch.store import RunDirectory
    from mersearch.verification import verify as search_again
    from mersearch.verification import verify_lines

    found, since = RunDirectory.find(run, root), time.monotonic()
    result = search_again(found, nested, address, say, preparing, since=since)
    say(["", *verify_lines(found, result)])


def ablate(
    file: Configuration,
    overrides: Changes = None,
    address: Address = None,
) -> None:
    """What each part of a configuration is worth: train it whole, and with each part taken away."""
    from mersearch.ablation import ablation, require_free
    from mersearch.evaluation import exported

    keys = require_free(overrides or ())
    config, origin = single(file, overrides), exported(file)
    name = config.run.name if "run.name" in keys else ""
    source = f"{origin['run']}, trial {origin['trial']}" if origin else ""
    search(ablation(config, name=name, exported=source), address)
