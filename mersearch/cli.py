"""The commands, a short function each; what they do is in the modules they call."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mersearch import __version__
from mersearch.disk import is_full
from mersearch.errors import ConfigError, Interrupted, MersearchError, Stopped

if TYPE_CHECKING:
    from mersearch.config.records import Config
    from mersearch.store import Trial


class _Interruptible(TyperGroup):
    """Ctrl-C and a full disk end any command with exit code 3, whatever it was doing."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
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


app = typer.Typer(
    cls=_Interruptible,
    help="Hyperparameter search for micro-expression recognition, judged leave-one-subject-out.",
    epilog="Example: mersearch launch quintuplet search.trials=20 run.name=first",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
data = typer.Typer(
    help="Databases on disk: check a real one, write a synthetic one.",
    epilog="Example: mersearch data check casme2 /data/CASME2",
    no_args_is_help=True,
)
app.add_typer(data, name="data")

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
RUNS = Path("runs")


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
    """The console script: errors of the user's become one message and an exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        app()
    except MersearchError as error:
        from mersearch.console.errors import text

        print(text(error), file=sys.stderr)
        sys.exit(error.exit_code)


@app.command(epilog="Example: mersearch launch quintuplet search.trials=20 run.name=first")
def launch(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="A YAML file, or the name of a shipped one.")],
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and train nothing.")] = False,
    address: Annotated[
        str | None, typer.Option(help="HOST:PORT of a Ray cluster; else RAY_ADDRESS, else this machine.")
    ] = None,
) -> None:
    """Start a search, or go on with it where the run exists."""
    from mersearch.config import compose

    config = compose(space, overrides or ())
    if dry_run:
        _dry_run(config, address)
    else:
        _search(config, address)


def _dry_run(config: Config, address: str | None) -> None:
    from mersearch.console import preparing
    from mersearch.placing import place
    from mersearch.planning import dry_run

    where = place(config, address)
    with preparing() as report:
        lines = dry_run(config, where, report)
    print("\n".join(lines))


def _search(config: Config, address: str | None) -> None:
    from mersearch.console import preparing
    from mersearch.opening import open_run
    from mersearch.placing import mode_at
    from mersearch.searching import search

    since = time.monotonic()
    with preparing() as report:
        opened = open_run(config, report, mode_at(config, address))
    with _resumable(opened.run.path):
        search(opened, address, _say, since=since)


def _say(lines: Sequence[str]) -> None:
    if lines:
        print("\n".join(lines), flush=True)


@contextmanager
def _resumable(run: Path) -> Iterator[None]:
    """Ctrl-C before or after the search itself says how to go on, as it does within."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped("everything finished is kept", fix=f"mersearch resume {run} goes on") from None


@app.command(epilog="Example: mersearch resume runs/quintuplet search.trials=150")
def resume(
    run: Run,
    overrides: Overrides = None,
    root: Root = RUNS,
    address: Annotated[
        str | None, typer.Option(help="HOST:PORT of a Ray cluster; else RAY_ADDRESS, else this machine.")
    ] = None,
) -> None:
    """Go on with a search; search.trials=N or another budget extends it."""
    from mersearch.opening import extend
    from mersearch.store import RunDirectory

    _search(extend(RunDirectory.find(run, root), overrides or ()), address)


@app.command(epilog="Example: mersearch status runs/quintuplet")
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


@app.command(epilog="Example: mersearch compare runs/quintuplet runs/disentangle")
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


@app.command(epilog="Example: mersearch simulate runs/quintuplet --workers 4")
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


@app.command(epilog="Example: mersearch export runs/quintuplet --top 3 -o best/")
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


@app.command(epilog="Example: mersearch evaluate runs/quintuplet/export/best.yaml")
def evaluate(
    file: Configuration,
    overrides: Changes = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Train with so many seeds, from run.seed on; each is a run of its own.")
    ] = 1,
    address: Annotated[
        str | None, typer.Option(help="HOST:PORT of a Ray cluster; else RAY_ADDRESS, else this machine.")
    ] = None,
) -> None:
    """Full leave-one-subject-out evaluation of one configuration."""
    from mersearch import spread
    from mersearch.evaluation import only

    configs = spread.seeded(only(_single(file, overrides)), seeds)
    trials = {config.run.seed: _evaluate(config, file, address) for config in configs}
    if seeds > 1:
        print("\n".join(["", f"{configs[0].run.name}, {seeds} seeds", *spread.lines(trials)]))


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


@app.command(epilog="Example: mersearch verify runs/quintuplet --nested 5")
def verify(
    run: Run,
    nested: Annotated[int, typer.Option(min=2, help="Groups of subjects; as many searches are run.")] = 5,
    root: Root = RUNS,
    address: Annotated[
        str | None, typer.Option(help="HOST:PORT of a Ray cluster; else RAY_ADDRESS, else this machine.")
    ] = None,
) -> None:
    """The gold standard: the whole search again without each group of subjects, judged on that group."""
    from mersearch.console import preparing
    from mersearch.store import RunDirectory
    from mersearch.verification import verify as search_again
    from mersearch.verification import verify_lines

    found, since = RunDirectory.find(run, root), time.monotonic()
    result = search_again(found, nested, address, _say, preparing, since=since)
    _say(["", *verify_lines(found, result)])


@app.command(epilog="Example: mersearch ablate runs/quintuplet/export/best.yaml")
def ablate(
    file: Configuration,
    overrides: Changes = None,
    address: Annotated[
        str | None, typer.Option(help="HOST:PORT of a Ray cluster; else RAY_ADDRESS, else this machine.")
    ] = None,
) -> None:
    """What each part of a configuration is worth: train it whole, and with each part taken away."""
    from mersearch.ablation import ablation, require_free
    from mersearch.evaluation import exported

    keys = require_free(overrides or ())
    config, origin = _single(file, overrides), exported(file)
    name = config.run.name if "run.name" in keys else ""
    source = f"{origin['run']}, trial {origin['trial']}" if origin else ""
    _search(ablation(config, name=name, exported=source), address)


@app.command(epilog="Example: mersearch train runs/quintuplet/export/best.yaml")
def train(
    file: Configuration,
    overrides: Changes = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The model file; beside CONFIG.yaml by default.")
    ] = None,
) -> None:
    """Train one configuration on all clips, and write its weights."""
    from mersearch.console import preparing
    from mersearch.model import require_writable
    from mersearch.model import train as refit
    from mersearch.ready import make_ready

    config, target = _single(file, overrides), output or file.with_suffix(".safetensors")
    require_writable(target)
    print(f"The model goes to {target.absolute()}", flush=True)
    with preparing() as report:
        ready = make_ready(config, report)
        written = refit(ready, target, report)
    print("".join(f"{line}\n" for line in ready.remarks), end="")
    print(
        f"{written}: {config.algorithm.name} trained on all {sum(map(sum, ready.study.plan.counts))} clips."
    )
    print("It has seen every subject, so it has no score of its own: mersearch evaluate has.")


def _single(file: Path, overrides: list[str] | None) -> Config:
    from mersearch.config import compose

    config = compose(file, overrides or ())
    if config.space.parameters or config.search.points:
        points = len(config.search.points)
        raise ConfigError(
            "one configuration is wanted, not a search space",
            received=f"{file} searches {len(config.space.parameters)} parameter(s)"
            + (f" and lists {points} point(s)" if points else ""),
            fix="mersearch export RUN writes a configuration; or fix every parameter by KEY=VALUE",
        )
    return config


@data.command(epilog="Example: mersearch data check casme2 /data/CASME2")
def check(
    database: Annotated[
        str,
        typer.Argument(
            metavar="DB",
            help="Reader: casme2, samm, mmew, smic, ckplus, mmew_macro, manifest; or composite, megc2019.",
        ),
    ],
    roots: Annotated[
        list[str],
        typer.Argument(metavar="ROOT", help="Folder of the database; READER=FOLDER for each of a composite."),
    ],
    labels: Annotated[str | None, typer.Option(help="Label set, as casme2-5.")] = None,
) -> None:
    """What was found of a database: subjects, classes, what was dropped or repaired and why."""
    from mersearch.data.check import check_given, lines

    print("\n".join(lines(check_given(database, roots, labels))))


@data.command(epilog="Example: mersearch data show casme2 /data/CASME2 -o casme2.png")
def show(
    database: Annotated[str, typer.Argument(metavar="DB", help="As for check.")],
    roots: Annotated[list[str], typer.Argument(metavar="ROOT", help="As for check.")],
    labels: Annotated[str | None, typer.Option(help="Label set, as casme2-5.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The picture; contact-DB.png here by default.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips of each class.")] = 2,
    align: Annotated[str, typer.Option(help="auto, landmarks, haar or none, as preprocess.align.")] = "auto",
    landmarks: Annotated[
        Path | None, typer.Option(help="Folder of landmark files, as preprocess.landmarks.")
    ] = None,
) -> None:
    """A contact sheet: a few clips of every class with their crop, flow and regions, as one picture."""
    from mersearch.console import preparing
    from mersearch.data.contact import contact_sheet
    from mersearch.data.given import read_given
    from mersearch.data.preprocess import Preprocess
    from mersearch.report.contact_sheet import draw
    from mersearch.store.files import replace

    settings = Preprocess(align=align, landmarks=str(landmarks) if landmarks else None)  # type: ignore[arg-type]
    target = output or Path(f"contact-{database}.png")
    with preparing() as report:
        report(f"reading {database}", 0, 0)
        given = read_given(database, roots, labels)
        sheet = contact_sheet(
            given, settings, clips=clips, progress=lambda done, total: report("drawing clips", done, total)
        )
    replace(target, draw(sheet), None)
    print(f"{target}: {sheet.title}")
    print(sheet.terms)


@data.command(epilog="Example: mersearch data synthesize demo/casme2 --layout casme2 --subjects 8")
def synthesize(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder.")],
    layout: Annotated[str, typer.Option(help="casme2, ckplus, samm, mmew, mmew_macro, smic or manifest.")],
    subjects: Annotated[int, typer.Option(help="Number of people.")] = 8,
    seed: Annotated[int, typer.Option(help="Other people and clips for another seed.")] = 0,
    difficulty: Annotated[float, typer.Option(help="0.5 is easy, 2 is hard.")] = 1.0,
    habits: Annotated[
        float, typer.Option(help="Pixels that every person's own way of moving adds to each expression.")
    ] = 0.0,
    release: Annotated[
        str | None,
        typer.Option(help="A release of the layout, as subject-first for mmew; its first by default."),
    ] = None,
    labels_only: Annotated[
        bool,
        typer.Option("--labels-only", help="Label files of the published size; the frames show nothing."),
    ] = False,
) -> None:
    """Write a database of invented people in the layout of a real one, with the truth beside it."""
    from mersearch.console import preparing
    from mersearch.data.synthetic import synthesize as write
    from mersearch.data.synthetic import synthesize_labels, synthesize_manifest
    from mersearch.preparation import cores

    if layout == "manifest":
        if labels_only or habits or release:
            options = "--labels-only, --habits, --release"
            raise ConfigError(
                "a synthetic manifest takes no such option", received=f"one of {options}", fix="leave it out"
            )
        with preparing() as report:
            told = partial(report, "writing the flow of synthetic clips")
            synthesize_manifest(out, subjects=subjects, seed=seed, difficulty=difficulty, progress=told)
        print(f"{out}: a manifest of synthetic clips that are only flow")
        print(f"next: mersearch data check manifest {out}")
        return
    if labels_only:
        synthesize_labels(out, layout, release=release, seed=seed)
        print(f"{out}: label files in the layout of {layout}; the frames show nothing")
        print(f"next: mersearch data check {layout} {out}")
        return
    with preparing() as report:
        write(
            out,
            layout,
            subjects=subjects,
            seed=seed,
            difficulty=difficulty,
            habits=habits,
            release=release,
            workers=cores(),
            progress=lambda done, total: report(f"writing synthetic {layout}", done, total),
        )
    print(f"{out}: synthetic clips in the layout of {layout}")
    print(f"the truth beside them: {out / 'truth'}")
    print(f"next: mersearch data check {layout} {out}")


@app.command(epilog="Example: mersearch doctor --root runs")
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
