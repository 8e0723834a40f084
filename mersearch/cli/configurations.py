"""Commands on one configuration: evaluate and train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mersearch.cli.arguments import Address, Changes, Configuration
from mersearch.cli.running import single
from mersearch.errors import ConfigError

if TYPE_CHECKING:
    from mersearch.config.records import Config
    from mersearch.store import Trial


def evaluate(
    file: Configuration,
    overrides: Changes = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Train with so many seeds, from run.seed on, without that of an export; each is a run of its own.",
        ),
    ] = 1,
    address: Address = None,
) -> None:
    """Full leave-one-subject-out evaluation of one configuration."""
    _require_no_budget(overrides or ())
    from mersearch import spread
    from mersearch.evaluation import only

    config, chosen = only(single(file, overrides)), spread.chosen_with(file)
    configs = spread.seeded(config, seeds, chosen)
    trials = {each.run.seed: _evaluate(each, file, address) for each in configs}
    if seeds > 1:
        print("\n".join(["", f"{config.run.name}, {seeds} seeds", *spread.lines(trials, chosen)]))


def _evaluate(config: Config, file: Path, address: str | None) -> Trial:
    from mersearch.console import evaluating, preparing
    from mersearch.evaluation import evaluate as run_all
    from mersearch.evaluation import report as tell
    from mersearch.opening import location, open_run
    from mersearch.placing import mode_at

    print(f"The run goes to {location(config).absolute()}", flush=True)
    with preparing() as report:
        opened = open_run(config, report, mode_at(config, address))
    complete = bool(opened.run.read().in_state("complete"))
    with evaluating(len(opened.run.plan)) as watcher:
        trial = run_all(opened, watcher, address)
    print("\n".join(tell(opened, trial, file, trained=not complete)))
    return trial


def train(
    file: Configuration,
    overrides: Changes = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The model file; beside CONFIG.yaml by default.")
    ] = None,
) -> None:
    """Train one configuration on all clips, and write its weights."""
    from mersearch.console import preparing
    from mersearch.model import train as refit
    from mersearch.ready import make_ready
    from mersearch.store.files import require_writable

    config, target = single(file, overrides), output or file.with_suffix(".safetensors")
    require_writable(target, "the model file")
    print(f"The model goes to {target.absolute()}", flush=True)
    with preparing() as report:
        ready = make_ready(config, report)
        written = refit(ready, target, report)
    print("".join(f"{line}\n" for line in ready.remarks), end="")
    print(
        f"{written}: {config.algorithm.name} trained on all {sum(map(sum, ready.study.plan.counts))} clips."
    )
    print("It has seen every subject, so it has no score of its own: mersearch evaluate\ngives one.")


def _require_no_budget(overrides: Sequence[str]) -> None:
    """Raise ConfigError where an override sets a budget: it would be of no effect."""
    budgets = ("search.time_budget", "search.gpu_hours")
    if taken := [text for text in overrides if text.partition("=")[0].lstrip("+") in budgets]:
        raise ConfigError(
            "an evaluation trains all folds, so it has no budget",
            received=", ".join(taken),
            fix="leave it out; Ctrl-C interrupts an evaluation, and the same command goes on with it",
        )
