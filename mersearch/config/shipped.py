"""Where the shipped search spaces are, and which file a SPACE of the command line means."""

from __future__ import annotations

from pathlib import Path

import mersearch
from mersearch.errors import ConfigError
from mersearch.similar import did_you_mean as mistyped
from mersearch.space.problem import did_you_mean


def shipped_spaces() -> Path:
    """The folder of the shipped search spaces and their groups.

    In an installed package it lies inside `mersearch`, in a checkout beside it.

    Raises:
        ConfigError: The installation lacks it.
    """
    package = Path(mersearch.__file__).resolve().parent
    for folder in (package / "search_spaces", package.parent / "search_spaces"):
        if folder.is_dir():
            return folder
    raise ConfigError("the shipped search spaces are missing", received=str(package), fix="install again")


def space_file(space: str | Path) -> Path:
    """The YAML file that `space` means: a path, or the name of a shipped one.

    Raises:
        ConfigError: There is no such file, it cannot be read, or it is not called `*.yaml`.
    """
    try:
        return _space_file(space)
    except (OSError, RuntimeError) as error:
        fix = "name a YAML file that can be read, or a shipped search space"
        raise ConfigError(f"{space} cannot be read", received=str(error), fix=fix) from error


def shipped_space(space: str | Path) -> Path | None:
    """The file of the shipped search space of this name; None where there is none.

    Raises:
        OSError: The name is none that a file can have.
    """
    name = Path(space)
    named = shipped_spaces() / f"{space}.yaml"
    return named if name.suffix == "" and name.name == str(space) and named.is_file() else None


def _space_file(space: str | Path) -> Path:
    file = Path(space).expanduser()
    if named := shipped_space(space):
        return named
    if file.is_dir():
        fix = (
            f"mersearch export {space} writes one" if (file / "config.yaml").is_file() else "name a YAML file"
        )
        raise ConfigError(f"{space} is a folder, not a YAML file", received=str(space), fix=fix)
    if not file.is_file():
        names = [found.stem for found in shipped_spaces().glob("*.yaml")]
        is_path = bool(file.suffix or file.parent.name)
        beside = mistyped(file) if is_path else ""
        fix = beside + did_you_mean("" if beside else file.stem, names, "shipped search spaces")
        what = f"no {'file' if is_path else 'search space'} {space}"
        raise ConfigError(f"there is {what}", received=str(space), fix=fix)
    if file.suffix != ".yaml":
        fix = f"call it {file.stem}.yaml" if file.suffix == ".yml" else "name a file whose name ends in .yaml"
        raise ConfigError(f"{space} is not called *.yaml", received=file.name, fix=fix)
    return file
