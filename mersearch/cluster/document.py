"""A YAML file with the line of every key, and a finding at one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from mersearch.config.sources import yaml_error
from mersearch.errors import ConfigError

Path = tuple[str | int, ...]
"""Keys and places of lists, from the top of a document."""
_NO_MERGE: Final = yaml.SafeLoader
_TEXT: Final = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "merge", "value"))


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
        value: what it holds; None where a key is no text.
        lines: path of a key or an element → its line, counted from 1.
        twice: lines of keys that stand twice in one mapping, of which YAML silently drops one.
        odd: lines of keys that are no text, such as a number or `on`, which YAML takes for true.
    """

    value: Any
    lines: Mapping[Path, int]
    twice: tuple[tuple[int, str], ...]
    odd: tuple[tuple[int, str], ...] = ()

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

    def unnamed(self) -> Iterator[Finding]:
        """A finding for each key that is no text."""
        for line, key in self.odd:
            yield Finding(line, "keys are text", key, f'put it into quotes: "{key}"')


def documents(text: str, name: str) -> list[Document]:
    """The documents of a YAML text; empty ones are left out.

    Raises:
        ConfigError: it is no YAML, has a value that is none of its type, or holds itself; with `name` and line.
    """
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=_NO_MERGE) if node is not None]
        return [_document(node, name) for node in nodes]
    except yaml.YAMLError as error:
        raise yaml_error(error, name) from error
    except RecursionError as error:
        rule = f"{name} holds lists or mappings in one another, without end"
        raise ConfigError(
            rule, received="more levels than can be read", fix="see the shipped file"
        ) from error


def _document(node: yaml.Node, name: str) -> Document:
    lines: dict[Path, int] = {(): node.start_mark.line + 1}
    twice, odd = list[tuple[int, str]](), list[tuple[int, str]]()
    _walk(node, (), lines, twice, odd, name)
    value = None if odd else yaml.SafeLoader("").construct_document(node)
    return Document(value, lines, tuple(twice), tuple(odd))


def _walk(
    node: yaml.Node,
    path: Path,
    lines: dict[Path, int],
    twice: list[tuple[int, str]],
    odd: list[tuple[int, str]],
    name: str,
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            text = str(key.value) if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
            own, line = (*path, text), key.start_mark.line + 1
            if own in lines:
                twice.append((line, text))
            if key.tag not in _TEXT:
                odd.append((line, text))
            lines[own] = line
            _walk(value, own, lines, twice, odd, name)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[*path, place] = value.start_mark.line + 1
            _walk(value, (*path, place), lines, twice, odd, name)
    else:
        _readable(node, name)


def _readable(node: yaml.Node, name: str) -> None:
    """Whether a value is one of the type that YAML takes it for: 2020-99-01 looks like a day and is none."""
    try:
        yaml.SafeLoader("").construct_object(node)
    except (ValueError, KeyError, AttributeError) as error:
        rule = f"{name}:{node.start_mark.line + 1}: this value cannot be read"
        fix = f'put it into quotes: "{node.value}"'
        raise ConfigError(rule, received=str(node.value)[:80], fix=fix) from error
