"""`mersearch cluster`: render and check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

KINDS = "local, aws, gcp, rayjob, raycluster, slurm, slurm-nodes, docker, apptainer, wheelhouse."


def _option(text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=text, show_default=False)
    return option


def render(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=KINDS)],
    search: Annotated[str | None, _option("SPACE and KEY=VALUE, as launch takes them.")] = None,
    gpus: Annotated[str | None, _option("Cards of each worker; 0 for none.")] = None,
    max_workers: Annotated[str | None, _option("Workers at most; on Slurm, nodes.")] = None,
    min_workers: Annotated[str | None, _option("Workers that never go.")] = None,
    spot: Annotated[str | None, _option("Workers on spot machines at most.")] = None,
    hours: Annotated[str | None, _option("Time limit.")] = None,
    name: Annotated[str | None, _option("Name of the cluster or job.")] = None,
    image: Annotated[str | None, _option("Container image with this package.")] = None,
    storage: Annotated[str | None, _option("HOST:/PATH of NFS, or a Kubernetes claim.")] = None,
    cpus: Annotated[str | None, _option("Cores of each worker.")] = None,
    memory: Annotated[str | None, _option("GiB of each worker.")] = None,
    spot_label: Annotated[str | None, _option("KEY=VALUE of spot nodes on Kubernetes.")] = None,
    region: Annotated[str | None, _option("Region of the cloud.")] = None,
    zone: Annotated[str | None, _option("Zone of Google Cloud.")] = None,
    project: Annotated[str | None, _option("Project of Google Cloud.")] = None,
    machine: Annotated[str | None, _option("Machine type of the workers.")] = None,
    machine_image: Annotated[str | None, _option("Disk image with Docker and a driver.")] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for what was not given.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file; standard output by default.")
    ] = None,
) -> None:
    """A shipped file with your answers in it, and the most it can use."""
    from mersearch.cluster.questions import QUESTIONS

    options = locals()
    given = {
        question: options[question.replace("-", "_")]
        for question in QUESTIONS
        if options[question.replace("-", "_")] is not None
    }
    _render(kind, _asked(kind, given) if ask else given, output)


def _asked(kind: str, given: dict[str, str]) -> dict[str, str]:
    """The given answers and those that the user types; a default that is taken counts as not given."""
    from mersearch.cluster.questions import of_kind
    from mersearch.errors import Stopped

    found = dict(given)
    for name, question in of_kind(kind).items():
        if name not in given:
            default = question.defaults[kind]
            try:
                answer = str(typer.prompt(question.text, default=default, err=True)).strip()
            except typer.Abort:
                raise Stopped(
                    "not every question was answered, and nothing is written",
                    fix=f"without --ask, options answer: mersearch cluster render {kind} --help",
                ) from None
            if answer != default:
                found[name] = answer
    return found


def _render(kind: str, given: dict[str, str], output: Path | None) -> None:
    from mersearch.cluster.checking import examine
    from mersearch.cluster.questions import CHANGE_ME
    from mersearch.cluster.rendering import render as fill
    from mersearch.cluster.rules import unfilled
    from mersearch.store.files import replace

    text = fill(kind, given)
    if output is None:
        print(text, end="")
        return
    replace(output, text.encode(), None)
    if text.startswith("#!"):
        output.chmod(0o755)
    print(f"{output}: for {examine(text, str(output))[0]}")
    print(
        *(line.removeprefix("# Cost:").strip() for line in text.splitlines() if "# Cost:" in line), sep="\n"
    )
    if lines := [str(place.line) for place in unfilled(text) if not place.note]:
        print(f"to be filled in first, {CHANGE_ME}: line {', '.join(lines)}")
    print(f"next: mersearch cluster check {output}")


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="For ray up, kubectl, sbatch, docker.")],
) -> None:
    """Whether a cluster file is right and filled in, as far as that shows without a cluster."""
    from mersearch.cluster.checking import check as look_over
    from mersearch.errors import ConfigError, Several, raise_all

    errors: list[ConfigError] = []
    for file in files:
        try:
            kind, notes = look_over(file)
        except Several as several:
            errors += several.errors  # type: ignore[arg-type]
        except ConfigError as error:
            errors.append(error)
        else:
            print(f"{file}: good for {kind}")
            for note in notes:
                print(f"  line {note.line}: {note.rule}" + (f": {note.received}" if note.received else ""))
                if note.fix:
                    print(f"    {note.fix}")
    raise_all(errors)
