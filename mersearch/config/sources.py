"""Which file and line, or which override, set a key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mersearch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML file of a composition."""

    label: str
    """How messages name the file."""
    lines: dict[str, int]
    """Dotted key in the whole configuration → line, 1-based."""


@dataclass(frozen=True, slots=True)
class Sources:
    """All places of a composition; later files win, and overrides win over files."""

    files: tuple[Source, ...]
    overrides: tuple[tuple[str, str], ...] = ()
    """Dotted key and text of each override, in order."""

    @classmethod
    def of_file(cls, file: Path) -> Sources:
        """The lines of one file; without lines if it cannot be read."""
        lines = key_lines(read_yaml(file)) if file.is_file() else {}
        return cls((Source(label(file), lines),))

    def names(self, path: str) -> bool:
        """Whether a file or an override sets `path` itself, or a section that it lies in as a whole."""
        in_files = any(path in source.lines for source in self.files)
        return in_files or any(path == key or path.startswith(f"{key}.") for key, _ in self.overrides)

    def beneath(self, path: str) -> str:
        """What to say of `path` where the value that counts would be left out; empty where its default would hold."""
        if any(f"space.{path}" in source.lines for source in self.files):
            return "leave it out, and it is searched"
        overridden = any(path == key or path.startswith(f"{key}.") for key, _ in self.overrides)
        setting = [source for source in self.files if path in source.lines]
        below = setting if overridden else setting[:-1]
        return f"leave it out to keep what {below[-1].label}:{below[-1].lines[path]} says" if below else ""

    def place(self, path: str) -> str:
        """Where `path` was set: `file:line`, or `command line: KEY=VALUE`; the closest parent if nowhere.

        A section that no file has comes from the override of one of its keys.
        """
        in_files = any(path in source.lines for source in self.files)
        for key, text in reversed(self.overrides):
            within = key.startswith(f"{path}.") and not in_files
            if within or path == key or path.startswith(f"{key}."):
                return f"command line: {text}"
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            prefix = ".".join(parts[:length])
            for source in reversed(self.files):
                if prefix in source.lines:
                    return f"{source.label}:{source.lines[prefix]}"
        return self.files[-1].label


def label(file: Path) -> str:
    """The path relative to the current directory where it lies below, else the whole path."""
    absolute = file.absolute()
    relative = os.path.relpath(absolute)
    return str(absolute) if relative.startswith("..") else relative


def read_yaml(file: Path) -> yaml.MappingNode:
    """The top node of a YAML file, not yet turned into values.

    Raises:
        ConfigError: The file cannot be read, is empty, is no YAML (with line and column) or no mapping.
    """
    name = label(file)
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        fix = "check its owner and rights"
        raise ConfigError(f"{name} cannot be read", received=str(error.strerror), fix=fix) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{name} is not text in UTF-8", received=str(error), fix="save it as such"
        ) from error
    except yaml.YAMLError as error:
        raise yaml_error(error, name) from error
    if node is None:
        raise ConfigError(f"{name} is empty", fix="start from a shipped search space")
    if not isinstance(node, yaml.MappingNode):
        received, fix = str(node.tag).split(":")[-1], "write KEY: VALUE, as the shipped search spaces do"
        raise ConfigError(f"{name} does not hold keys with values", received=received, fix=fix)
    return node


def yaml_error(error: yaml.YAMLError, name: str) -> ConfigError:
    """The error of a file that is no YAML, with line and column where they are known."""
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return ConfigError(f"{where}: this is not valid YAML", received=str(reason), fix="mend the line named")


def key_lines(node: yaml.Node, package: Sequence[str] = ()) -> dict[str, int]:
    """Line of every key below `node`, by dotted key under `package`; elements of a list count from 0."""
    lines: dict[str, int] = {}
    entries: list[tuple[str, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        entries = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        entries = [(str(place), value, value) for place, value in enumerate(node.value)]
    for name, start, value in entries:
        path = [*package, name]
        lines[".".join(path)] = start.start_mark.line + 1
        lines |= key_lines(value, path)
    return lines
