"""The commands of `mersearch data`: check a database on disk, show it, write a synthetic one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from mersearch.errors import ConfigError


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
    from mersearch.store.files import replace, require_writable

    settings = Preprocess(align=align, landmarks=str(landmarks) if landmarks else None)  # type: ignore[arg-type]
    target = output or Path(f"contact-{database}.png")
    if target.suffix.lower() != ".png":
        raise ConfigError("the picture is a PNG file", received=str(target), fix="name it so: -o NAME.png")
    require_writable(target, "the picture")
    with preparing() as report:
        report(f"reading {database}", 0, 0)
        given = read_given(database, roots, labels)
        sheet = contact_sheet(
            given, settings, clips=clips, progress=lambda done, total: report("drawing clips", done, total)
        )
        report("drawing the picture", 0, 0)
        replace(target, draw(sheet), None)
    print(f"{target}: {sheet.title}")
    print(sheet.terms)


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
    from mersearch.data.synthetic import synthesize_labels

    if layout == "manifest":
        if labels_only or habits or release:
            options = "--labels-only, --habits, --release"
            raise ConfigError(
                "a synthetic manifest takes no such option", received=f"one of {options}", fix="leave it out"
            )
        _synthesize_manifest(out, subjects=subjects, seed=seed, difficulty=difficulty)
    elif labels_only:
        synthesize_labels(out, layout, release=release, seed=seed)
        print(f"{out}: label files in the layout of {layout}; the frames show nothing")
    else:
        _synthesize(
            out,
            layout,
            subjects=subjects,
            seed=seed,
            difficulty=difficulty,
            habits=habits,
            release=release,
        )
    print(f"next: mersearch data check {layout} {out}")


def _synthesize_manifest(out: Path, *, subjects: int, seed: int, difficulty: float) -> None:
    from mersearch.console import preparing
    from mersearch.data.synthetic import synthesize_manifest

    with preparing() as report:
        told = partial(report, "writing the flow of synthetic clips")
        synthesize_manifest(out, subjects=subjects, seed=seed, difficulty=difficulty, progress=told)
    print(f"{out}: a manifest of synthetic clips that are only flow")


def _synthesize(out: Path, layout: str, **settings: Any) -> None:
    from mersearch.console import preparing
    from mersearch.cores import local_cores
    from mersearch.data.synthetic import synthesize

    with preparing() as report:
        told = partial(report, f"writing synthetic {layout}")
        synthesize(out, layout, workers=local_cores(), progress=told, **settings)
    print(f"{out}: synthetic clips in the layout of {layout}")
    print(f"the truth beside them: {out / 'truth'}")
