"""Hydra's part: the primary file, the groups it names and the overrides → nested values and their places."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mersearch.config.overrides import Groups, Parsed, for_hydra, parse_overrides
from mersearch.config.records import Folds, Growth, Macro, Search, Trial
from mersearch.config.shipped import shipped_spaces, space_file
from mersearch.config.sources import Source, Sources, key_lines, label, read_yaml, yaml_error
from mersearch.data.preprocess import Preprocess
from mersearch.errors import ConfigError

HINT = "valid is KEY=VALUE, GROUP=OPTION, +GROUP=OPTION and ~KEY, of keys that exist"


@dataclass(frozen=True, slots=True)
class Composition:
    """What Hydra made of the files and overrides."""

    values: dict[str, Any]
    """Nested and plain, interpolations resolved."""
    sources: Sources
    overridden: tuple[str, ...]
    """Keys that overrides set."""
    unsearched: tuple[str, ...]
    """Keys whose search overrides deleted from `space`."""


def composed(space: str | Path, overrides: Sequence[str]) -> Composition:
    """Compose the file `space` means with the groups it names and the overrides.

    Raises:
        ConfigError: A file, a group or an override is wrong.
        Several: More than one override is.
    """
    file = space_file(space).absolute()
    read_yaml(file)
    parsed = parse_overrides(overrides)
    folders = (file.parent, shipped_spaces())
    search_path = f"hydra.searchpath=['file://{_quoted(folders[1])}']"
    with _loader(file.parent) as loader, _translated(file, parsed):
        chosen = loader.compute_defaults_list(file.name, [search_path], RunMode.RUN).overrides
        groups = Groups(loader, search_path, chosen.known_choices)
        texts = [search_path, *for_hydra(parsed, groups)]
        config = hydra_compose(file.name, texts)
        defaults = loader.compute_defaults_list(file.name, texts, RunMode.RUN).defaults
        setting = [override for override in parsed if not groups.chosen_by(override)]
    places = tuple((key, override.text) for override in setting for key in override.paths())
    sources = Sources(tuple(_files(defaults, folders)), places)
    unsearched = [o.key.removeprefix("space.") for o in setting if o.deletes and o.key.startswith("space.")]
    overridden = tuple(key for override in setting if not override.deletes for key in override.paths())
    return Composition(_resolved(config, file, sources), sources, overridden, tuple(unsearched))


@contextmanager
def _loader(folder: Path) -> Iterator[ConfigLoaderImpl]:
    """Hydra, initialised for one folder and left as it was."""
    with initialize_config_dir(str(folder), job_name="mersearch", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        yield loader


@contextmanager
def _translated(file: Path, overrides: Sequence[Parsed]) -> Iterator[None]:
    """Errors of Hydra as errors of ours."""
    try:
        yield
    except MissingConfigException as error:
        fix = f"options: {', '.join(error.options)}" if error.options else f"groups lie in {shipped_spaces()}"
        rule = f"{label(file)}: there is no {error.missing_cfg_file}"
        raise ConfigError(rule, received=str(error.missing_cfg_file), fix=fix) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise yaml_error(error, label(Path(mark.name) if mark else file)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        reason = " ".join((str(error) or str(error.__cause__)).split())
        named = [o.text for o in overrides if f"'{o.key}'" in reason or o.line in reason]
        place = f"command line: {named[0]}" if named else label(file)
        raise ConfigError(f"{place}: this cannot be composed", received=reason, fix=HINT) from error


def _files(defaults: Sequence[ResultDefault], folders: Sequence[Path]) -> Iterator[Source]:
    """The files of a composition with their lines, in the order in which they are merged."""
    for default in defaults:
        name = default.config_path or ""
        file = next((f for folder in folders if (f := folder / _yaml(name)).is_file()), None)
        if file is not None:
            package = default.package.split(".") if default.package else []
            yield Source(label(file), key_lines(read_yaml(file), package))


def _yaml(name: str) -> str:
    return name if name.endswith(".yaml") else f"{name}.yaml"


def _resolved(config: DictConfig, file: Path, sources: Sources) -> dict[str, Any]:
    """The values with the platform's defaults beneath them, so that interpolations may use those."""
    OmegaConf.set_struct(config, False)
    beneath = {
        "run": {"name": re.sub(r"[^\w.+-]+", "-", file.stem).strip("-."), "root": "runs", "seed": 0},
        "macro": dataclasses.asdict(Macro()),
        "preprocess": {**dataclasses.asdict(Preprocess()), "cache": "${run.root}/.cache"},
        "search": dataclasses.asdict(Search()),
        "trial": dataclasses.asdict(Trial()),
        "cluster": dataclasses.asdict(Growth()),
        "folds": dataclasses.asdict(Folds()),
    }
    try:
        merged = OmegaConf.merge(_fitting(beneath, OmegaConf.to_container(config, resolve=False)), config)
        values: dict[str, Any] = OmegaConf.to_container(merged, resolve=True)
    except OmegaConfBaseException as error:
        key = str(error.full_key or "")
        reason = str(error.msg or error).splitlines()[0]
        rule = f"{sources.place(key)}: {key} cannot be resolved"
        raise ConfigError(rule, received=reason, fix="mend the ${…} in it") from error
    return values


def _fitting(beneath: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """The defaults, without those for which a list stands instead of a mapping or the other way round.

    The two cannot be merged; what is wrong with the value the schema says.
    """
    kept: dict[str, Any] = {}
    for key, default in beneath.items():
        value = given.get(key) if isinstance(given, Mapping) else None
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            kept[key] = _fitting(default, value)
        elif not isinstance(value, Mapping | list) or isinstance(value, list) == isinstance(
            default, list | tuple
        ):
            kept[key] = default
    return kept


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("'", "\\'")
