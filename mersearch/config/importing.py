"""An algorithm is named by its import path, so that anybody can add one."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import traceback
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from mersearch.errors import ConfigError
from mersearch.space.problem import did_you_mean


def algorithm_class(name: str, folder: Path | None = None) -> type[Any]:
    """The class that `module:Class` names; modules in the current directory are found too.

    Args:
        name: `module:Class`.
        folder: where else the module may lie; looked into last.

    Raises:
        ConfigError: The module cannot be imported, or has no such class, or the class carries no `Settings`.
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise ConfigError(
            "algorithm.name must be module:Class",
            received=name,
            fix="for example trainables.quintuplet:Quintuplet",
        )
    module = _module(module_name, folder)
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not _has_settings(found):
        fix = did_you_mean(class_name, _algorithms(module), f"algorithms of {module_name}")
        missing = "has no dataclass Settings" if isinstance(found, type) else f"is no class of {module_name}"
        raise ConfigError(f"algorithm.name: {class_name} {missing}", received=name, fix=fix)
    return found


def may_be_imported(name: str) -> bool:
    """Whether the top module of `module:Class` is on this machine; imports nothing.

    Args:
        name: `module:Class`.
    """
    top = name.partition(":")[0].partition(".")[0]
    if not top or top in sys.modules:
        return True
    return PathFinder.find_spec(top, [*sys.path, str(Path.cwd())]) is not None


def folder_of(name: str) -> Path:
    """The folder that the module of `module:Class` was found in, for a process that has another path.

    Raises:
        ConfigError: as `algorithm_class`.
    """
    algorithm_class(name)
    top = sys.modules[name.partition(":")[0].partition(".")[0]]
    places = [*getattr(top, "__path__", ()), top.__file__]
    return Path(str(places[0])).absolute().parent


def _module(name: str, folder: Path | None) -> ModuleType:
    for place in (str(Path.cwd()), *([str(folder)] if folder is not None else [])):
        if place not in sys.path:
            sys.path.append(place)
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the code of somebody else raises
        missing = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
        raise ConfigError(
            f"algorithm.name: the module {name} cannot be imported",
            received=f"{type(error).__name__}: {error}{'' if missing else _line(error)}",
            fix="install it, or start from the folder that holds it" if missing else "mend the module",
        ) from error


def _line(error: Exception) -> str:
    """Where an exception was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "" if isinstance(error, SyntaxError) else f" ({last.filename}, line {last.lineno})"


def _algorithms(module: ModuleType) -> list[str]:
    return [key for key, value in vars(module).items() if isinstance(value, type) and _has_settings(value)]


def _has_settings(cls: type[Any]) -> bool:
    settings = getattr(cls, "Settings", None)
    return isinstance(settings, type) and dataclasses.is_dataclass(settings)
