"""The kinds of files that start Ray, and where the shipped ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import mersearch
from mersearch.errors import ConfigError
from mersearch.space.problem import did_you_mean

FILES: Final = {
    "local": "local.sh",
    "aws": "aws.yaml",
    "gcp": "gcp.yaml",
    "rayjob": "rayjob.yaml",
    "raycluster": "raycluster.yaml",
    "slurm": "slurm.sh",
    "slurm-nodes": "slurm-nodes.sh",
    "docker": "Dockerfile",
    "apptainer": "apptainer.def",
    "wheelhouse": "wheelhouse.sh",
}
"""Kind → file in the folder of shipped ones."""


def shipped_files() -> Path:
    """The folder of the shipped files: inside an installed package, beside the package in a checkout.

    Raises:
        ConfigError: the installation lacks it.
    """
    package = Path(mersearch.__file__).resolve().parent
    for folder in (package / "cluster" / "files", package.parent / "cluster"):
        if folder.is_dir():
            return folder
    raise ConfigError("the shipped cluster files are missing", received=str(package), fix="install again")


def shipped(kind: str) -> str:
    """The text of the shipped file of a kind.

    Raises:
        ConfigError: there is no such kind.
    """
    if kind not in FILES:
        fix = did_you_mean(kind, FILES, "kinds")
        raise ConfigError(f"there is no kind of cluster {kind}", received=kind, fix=fix)
    return (shipped_files() / FILES[kind]).read_text(encoding="utf-8")
