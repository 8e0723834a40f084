"""A YAML file with the line of every key, and a finding at one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from mersearch.config.sources import yaml_error

Path = tuple[str | int, ...]
"""Keys and places of lists, from the top of a document."""
_NO_MERGE: Final = yaml.SafeLoader


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one line of a cluster file.

    Attributes:
        line: counted from 1.
        rule: what holds of a good file.
        received: what stands there.
        fix: what to do.
        note: whether the file may be used as it is.
    """

    line: int
    rule: str
    received: str = ""
    fix: str = ""
    note: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a YAML file.

    Attributes:
        value: what it holds.
        lines: path of a key or an element → its line, counted from 1.
        twice: lines of keys that stand twice in one mapping, of which YAML silently drops one.
    """

    value: Any
    lines: Mapping[Path, int]
    twice: tuple[tuple[int, str], ...]

    def line(self, *path: str | int) -> int:
        """The line of a path; that of the closest one above where it is missing."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1

    def get(self, *path: str | int, default: Any = None) -> Any:
        """The value at a path; `default` where anything of it is missing or of another type."""
        value = self.value
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return default
        return value

    def repeated(self) -> Iterator[Finding]:
        """A finding for each key that stands twice."""
        for line, key in self.twice:
            yield Finding(line, "a key stands once in its mapping", key, "delete one of the two")


def documents(text: str, name: str) -> list[Document]:
    """The documents of a YAML text; empty ones are left out.

    Raises:
        ConfigError: it is no YAML; with `name`, line and column.
    """
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=_NO_MERGE) if node is not None]
        found = []
        for node in nodes:
            lines: dict[Path, int] = {(): node.start_mark.line + 1}
            twice: list[tuple[int, str]] = []
            _walk(node, (), lines, twice)
            loader = yaml.SafeLoader("")
            found.append(Document(loader.construct_document(node), lines, tuple(twice)))
    except yaml.YAMLError as error:
        raise yaml_error(error, name) from error
    return found


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], twice: list[tuple[int, str]]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            own = (*path, str(key.value))
            if own in lines:
                twice.append((key.start_mark.line + 1, str(key.value)))
            lines[own] = key.start_mark.line + 1
            _walk(value, own, lines, twice)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[*path, place] = value.start_mark.line + 1
            _walk(value, (*path, place), lines, twice)
