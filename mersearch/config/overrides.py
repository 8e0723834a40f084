"""Overrides of the command line: what each does, in the grammar of Hydra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mersearch.errors import ConfigError, MersearchError, raise_all
from mersearch.space.problem import did_you_mean

GRAMMAR = "write KEY=VALUE, a list as KEY=[1,2], text with commas or brackets as KEY='\"…\"'"


@dataclass(frozen=True, slots=True)
class Parsed:
    """One override that can be read."""

    text: str
    """As it was typed."""
    line: str
    """As Hydra reads it."""
    key: str
    """Dotted key, or the name of a group, without `+` and `~`."""
    value: Any
    plain: bool
    """`KEY=VALUE`, without `+`, `++` or `~`."""
    deletes: bool

    def paths(self) -> list[str]:
        """Dotted key of every value it sets, or of what it deletes."""
        return [self.key] if self.deletes else list(_leaves(self.key, self.value))


def parse_overrides(texts: Sequence[str]) -> list[Parsed]:
    """Read all overrides.

    Raises:
        ConfigError: One cannot be read, sweeps, or is about Hydra itself.
        Several: More than one is.
    """
    parsed: list[Parsed] = []
    errors: list[MersearchError] = []
    parser = OverridesParser.create()
    for text in texts:
        try:
            parsed.append(_checked(text, _read(parser, text)))
        except ConfigError as error:
            errors.append(error)
        except HydraException as error:
            reason = str(error).splitlines()[0]
            errors.append(
                ConfigError(f"command line: {text} is not an override", received=reason, fix=GRAMMAR)
            )
    raise_all(errors)
    return parsed


def _read(parser: OverridesParser, text: str) -> Override:
    """One override; a value that the grammar refuses is taken as text, such as `~/data` or `a (1)`."""
    try:
        return parser.parse_overrides([text])[0]
    except HydraException:
        key, equals, value = text.partition("=")
        if not equals or not value or value[0] in "[{'\"" or "${" in value:
            raise
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return parser.parse_overrides([f'{key}="{escaped}"'])[0]


def _checked(text: str, override: Override) -> Parsed:
    if not override.key_or_group:
        raise ConfigError(f"command line: {text} is not an override", received=text, fix=GRAMMAR)
    if override.is_sweep_override():
        fix = "put it under space: as choices, or give one value"
        raise ConfigError(f"command line: {text} lists several values", received=text, fix=fix)
    if override.is_hydra_override():
        raise ConfigError(f"command line: {text} is no key of ours", received=text, fix="leave it out")
    plain = not (override.is_add() or override.is_force_add() or override.is_delete())
    line = override.input_line or text
    return Parsed(text, line, override.key_or_group, override.value(), plain, override.is_delete())


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups on the search path."""

    loader: ConfigLoaderImpl
    search_path: str
    """The override that sets the search path."""
    chosen: Mapping[str, Any]
    """Group → option, of the files' `defaults`."""

    def options(self, group: str) -> list[str]:
        """The options of a group; empty if there is no such group."""
        return self.loader.get_group_options(group, overrides=[self.search_path])

    def chosen_by(self, override: Parsed) -> bool:
        """Whether the override chooses an option of a group rather than setting a value."""
        is_name = isinstance(override.value, str) or (override.deletes and override.value is None)
        return is_name and bool(self.options(override.key))


def for_hydra(overrides: Sequence[Parsed], groups: Groups) -> list[str]:
    """The overrides as Hydra takes them: a key that no file sets is added, a group that none names too.

    Raises:
        ConfigError: An option of a group does not exist.
        Several: More than one does not.
    """
    texts: list[str] = []
    errors: list[MersearchError] = []
    for override in overrides:
        if not override.plain:
            texts.append(override.line)
        elif not groups.chosen_by(override):
            texts.append(f"++{override.line}")
        elif override.value not in (options := groups.options(override.key)):
            fix = did_you_mean(str(override.value), options, f"options of {override.key}")
            rule = f"command line: {override.text}: there is no such {override.key}"
            errors.append(ConfigError(rule, received=str(override.value), fix=fix))
        else:
            texts.append(override.line if override.key in groups.chosen else f"+{override.line}")
    raise_all(errors)
    return texts


def _leaves(key: str, value: Any) -> Iterator[str]:
    """Dotted keys of the values inside a mapping, or the key itself."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key
