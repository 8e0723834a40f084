"""A cluster file against everything that can be known of it without a cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mersearch.cluster import container, kubernetes, ray_up, sbatch, shell
from mersearch.cluster.document import Document, Finding, documents
from mersearch.cluster.launching import copied_findings
from mersearch.cluster.rules import secret_findings, unfilled
from mersearch.errors import ConfigError, MersearchError, raise_all


def check(file: Path) -> tuple[str, list[Finding]]:
    """What the file is for, and the notes on it, by line.

    Raises:
        ConfigError, Several: it cannot be read, is of no known kind, breaks rules, or has places that are still to
            be filled in; each with its line.
    """
    text = _read(file)
    kind, broken = examine(text, str(file))
    found = _in_order({*broken, *unfilled(text)})
    raise_all([_error(str(file), finding) for finding in found if not finding.note])
    return kind, [finding for finding in found if finding.note]


def examine(text: str, name: str) -> tuple[str, list[Finding]]:
    """What a text is for, and everything found in it, by line; places that the user is to fill in are none.

    Raises:
        ConfigError: it is of no known kind, or no YAML.
    """
    kind, found = _of_kind(text, name)
    return kind, _in_order({*found, *secret_findings(text), *copied_findings(text)})


def _in_order(found: Collection[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def _of_kind(text: str, name: str) -> tuple[str, Iterator[Finding] | list[Finding]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if text.startswith("#!"):
        if "#SBATCH" in text or "SLURM_" in text:
            return "Slurm's sbatch", sbatch.findings(text)
        return "a shell", shell.findings(text)
    if lines and lines[0].startswith(("FROM ", "ARG ")):
        return "docker build", container.dockerfile(text)
    if lines and lines[0].lower().startswith("bootstrap:"):
        return "apptainer build", container.definition(text)
    found = documents(text, name)
    if odd := [finding for document in found for finding in document.unnamed()]:
        return "YAML", odd
    if any(document.get("apiVersion") or document.get("kind") for document in found):
        return "kubectl apply", [*_repeated(found), *kubernetes.findings(found)]
    if len(found) == 1 and (found[0].get("cluster_name") or found[0].get("provider")):
        return "ray up", [*_repeated(found), *ray_up.findings(found[0])]
    raise ConfigError(
        f"{name} is none of the files that start Ray",
        received="a file without #!, FROM, Bootstrap:, apiVersion or cluster_name",
        fix="mersearch cluster render KIND writes one",
    )


def _repeated(found: Sequence[Document]) -> Iterator[Finding]:
    for document in found:
        yield from document.repeated()


def _error(name: str, finding: Finding) -> MersearchError:
    return ConfigError(f"{name}:{finding.line}: {finding.rule}", received=finding.received, fix=finding.fix)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{file} cannot be read", received=reason, fix="name a text file") from error
