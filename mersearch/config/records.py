"""The configuration as frozen records; what each key means and what it may be is said here once.

Bounds are in the `metadata` of a field (`ge`, `gt`, `le`, `lt`; of the elements, for a tuple).
"""

from __future__ import annotations

import copy
import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from mersearch.data.preprocess import Preprocess
from mersearch.data.table import COMPOSITE
from mersearch.durations import seconds
from mersearch.errors import ConfigError, MersearchError, raise_all
from mersearch.space import Space, Value

SMALLEST: Final = 0.0001
"""Share of a core or of a card: Ray counts in no smaller ones."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where the results go, and the seed of everything."""

    name: str
    """Folder under `root`; by default the name of the search-space file."""
    root: str = "runs"
    seed: int = field(default=0, metadata={"ge": 0})
    ledger: str | None = None
    """Folder of the ledgers; null = `ledger` under `root`."""
    mirror: str | None = None
    """Address below which every finished chunk is put too, as `s3://bucket/runs`; null = nowhere."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            fix = "letters, digits and . _ + -, starting with a letter, a digit or _"
            raise ConfigError("run.name must be a plain folder name", received=self.name, fix=fix)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A generated database, written to the root in the layout of a real one when it is not there yet."""

    layout: Literal["casme2", "ckplus", "samm", "mmew", "mmew_macro", "smic", "composite"]
    """Of a real database; `composite` = each database of `data.roots` in its own."""
    subjects: int = field(default=8, metadata={"ge": 2, "le": 10_000})
    seed: int = field(default=0, metadata={"ge": 0})
    difficulty: float = field(default=1.0, metadata={"ge": 0})
    clips: int | Literal["auto"] = field(default="auto", metadata={"ge": 1, "le": 100_000})
    """Number of clips; auto = in proportion to the real database."""
    habits: float = field(default=0.0, metadata={"ge": 0, "le": 3})
    """Pixels that every person's own way of moving adds to each expression."""


@dataclass(frozen=True, slots=True)
class Data:
    """The micro-expression database."""

    database: str
    """Name of the reader; `composite` for the databases of `roots` together."""
    root: str | None = None
    """Folder of the database; null for a composite."""
    roots: Mapping[str, str] = field(default_factory=dict)
    """Reader → folder, of a composite."""
    labels: str = field(kw_only=True)
    """Name of the label set, which every database of a composite has."""
    without: tuple[str, ...] = ()
    """Subjects that take no part, as `casme2/07`."""
    synthetic: Synthetic | None = None
    """Null for a real database."""

    def __post_init__(self) -> None:
        if not self.composite and not self.root:
            raise ConfigError("data.root is required", fix="give data.root=… on the command line")
        if not self.composite and self.roots:
            raise ConfigError(
                "data.roots belongs to data.database=composite",
                received=f"data.database={self.database}, data.roots of {', '.join(self.roots)}",
                fix="data=composite data.roots.casme2=… data.roots.samm=…, or data.root=… alone",
            )
        if self.synthetic and self.composite != (self.synthetic.layout == COMPOSITE):
            raise ConfigError(
                f"data.synthetic.layout={COMPOSITE} is that of a composite, and of nothing else",
                received=f"data.database={self.database}, data.synthetic.layout={self.synthetic.layout}",
                fix="data=synthetic_megc2019 for invented people of several databases, data=synthetic for one",
            )
        if self.composite and (self.root or len(self.roots) < 2):
            received = f"data.root={self.root}" if self.root else f"{', '.join(self.roots) or 'none'}"
            raise ConfigError(
                "data.roots names the databases of a composite, two or more, each with its folder",
                received=received,
                fix="data=composite data.roots.casme2=… data.roots.samm=…; data=casme2 data.root=… for a single one",
            )

    @property
    def composite(self) -> bool:
        """Whether several databases are used together."""
        return self.database == COMPOSITE

    @property
    def folders(self) -> dict[str, str]:
        """Reader → folder, of every database."""
        return dict(sorted(self.roots.items())) if self.composite else {self.database: self.root or ""}

    @property
    def generated(self) -> dict[str, Synthetic]:
        """Reader → what is generated in its folder, in a layout of a real database; empty for real databases."""
        if self.synthetic is None:
            return {}
        if not self.composite:
            return {self.database: self.synthetic}
        return {name: replace(self.synthetic, layout=name) for name in self.folders}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Macro:
    """The macro-expression database, if any."""

    database: str = "none"
    """Name of the reader, or `none`."""
    root: str | None = None
    synthetic: Synthetic | None = None

    def __post_init__(self) -> None:
        if self.database != "none" and not self.root:
            raise ConfigError("macro.root is required", fix="give macro.root=… or macro=none")

    @property
    def present(self) -> bool:
        """Whether there are macro clips at all."""
        return self.database != "none"


@dataclass(frozen=True, slots=True)
class AlgorithmConfig:
    """What is trained."""

    name: str
    """Import path, `module:Class`."""
    settings: dict[str, Any]
    """Every setting of the class, nested and plain, as `mersearch.algorithm.settings_from` takes it."""


@dataclass(frozen=True, slots=True)
class Racing:
    """What `search.scheduler: race` goes by."""

    alpha: float | Literal["strict", "default", "explore"] = field(
        default="default", metadata={"gt": 0, "lt": 0.5}
    )
    """Chance per look to stop a trial that would have drawn level: strict 0.02, default 0.1, explore 0.2."""
    rungs: tuple[float, ...] = field(
        default=(0.1, 0.1875, 0.25, 0.375, 0.5, 0.625, 0.75), metadata={"gt": 0, "lt": 1}
    )
    """Shares of the folds after which a trial is judged."""
    audit: float = field(default=0.05, metadata={"ge": 0, "le": 1})
    """Share of the trials that are never stopped, to see how often the rule errs."""
    first: int = field(default=3, metadata={"ge": 1})
    """Complete trials before one is stopped."""
    delta: float = field(default=0.0, metadata={"ge": 0})
    """A shortfall of the score that is no reason to stop."""

    def __post_init__(self) -> None:
        _require_increasing("search.race.rungs", self.rungs)


@dataclass(frozen=True, slots=True)
class Search:
    """How much is searched, and how."""

    trials: int = field(default=10, metadata={"ge": 1})
    metric: Literal["uf1", "uar", "accuracy"] = "uf1"
    second_objective: Literal["none", "seconds"] = "none"
    """What the sampler trades the metric for: `seconds` = compute time per fold. Needs `scheduler: none`."""
    sampler: Literal["tpe", "gp", "nsga2", "qmc", "random"] = "tpe"
    startup: int = field(default=10, metadata={"ge": 1})
    """Trials with a score before the sampler stops drawing at random."""
    scheduler: Literal["asha", "race", "none"] = "asha"
    concurrency: int | Literal["auto"] = field(default="auto", metadata={"ge": 1, "le": 10_000})
    """Trials at once; auto = as many as the machine or cluster has room for."""
    warm_start: str | None = None
    """An earlier run, whose trials the sampler knows where they are points of this space; null = none."""
    time_budget: str | None = None
    """Wall time of one command, as `3h50m`, from its start to its last words; null = no limit."""
    gpu_hours: float | None = field(default=None, metadata={"gt": 0})
    """Hours of cards for all trials of the run; null = no limit."""
    stop_when_flat: bool = False
    """End when the trials to come promise less than the best score is sure of."""
    eta: float = field(default=2, metadata={"ge": 2})
    """At a rung, the best 1/eta of the trials go on."""
    min_peers: int = field(default=3, metadata={"ge": 1})
    """Trials that must have reached a rung before one is stopped there."""
    rungs: tuple[float, ...] = field(default=(0.125, 0.25, 0.5), metadata={"gt": 0, "lt": 1})
    """Shares of the folds after which a trial may be stopped."""
    points: tuple[Mapping[str, Any], ...] = ()
    """Configurations that are run first: path of a setting → value. What a point does not name and the space
    searches, the sampler draws."""
    race: Racing = field(default_factory=Racing)

    def __post_init__(self) -> None:
        """Raise ConfigError for one broken rule, Several for more."""
        checks = (self._require_rungs, self._require_whole_trials, self._require_time, self._require_room)
        broken: list[MersearchError] = []
        for check in checks:
            try:
                check()
            except ConfigError as error:
                broken.append(error)
        raise_all(broken)

    def _require_rungs(self) -> None:
        _require_increasing("search.rungs", self.rungs)

    def _require_whole_trials(self) -> None:
        if self.second_objective != "none" and self.scheduler != "none":
            raise ConfigError(
                "search.second_objective needs trials that are not stopped by one of the two",
                received=f"search.scheduler={self.scheduler}",
                fix="search.scheduler=none",
            )

    def _require_time(self) -> None:
        if self.time_budget is not None:
            seconds("search.time_budget", self.time_budget)

    def _require_room(self) -> None:
        if len(self.points) > self.trials:
            raise ConfigError(
                "search.trials must cover every point of search.points",
                received=f"{self.trials} trials, {len(self.points)} points",
                fix=f"search.trials={len(self.points)} or more, or fewer points",
            )


@dataclass(frozen=True, slots=True)
class Trial:
    """What one trial occupies."""

    cpus: float = field(default=1, metadata={"ge": SMALLEST, "le": 1024})
    gpus: float | Literal["auto"] = field(default="auto", metadata={"ge": 0})
    """Cards per trial, a fraction shares one; auto = 1 where there are cards, else 0."""
    retries: int = field(default=1, metadata={"ge": 0})
    """How often a chunk is computed again after an exception of the algorithm, until its trial fails."""

    def __post_init__(self) -> None:
        if self.gpus != "auto" and 0 < self.gpus < SMALLEST:
            raise ConfigError(
                f"trial.gpus must be 0, or a share of a card of {SMALLEST} or more",
                received=f"{self.gpus:g}",
                fix="trial.gpus=0 trains on the processor",
            )
        if self.gpus != "auto" and self.gpus > 1 and self.gpus != int(self.gpus):
            raise ConfigError(
                "trial.gpus must be a share of one card, up to 1, or a whole number of cards",
                received=f"{self.gpus:g}",
                fix=f"trial.gpus=1 or trial.gpus={math.ceil(self.gpus)}",
            )


@dataclass(frozen=True, slots=True)
class Growth:
    """How far a Ray cluster that starts machines by itself may grow; a machine of one's own ignores it."""

    max_workers: int | None = field(default=None, metadata={"ge": 1})
    """Worker machines at the most, as in the file that the cluster was started with; null = it stays as it is."""
    worker_cpus: float = field(default=1, metadata={"gt": 0})
    """Cores of one of them."""
    worker_gpus: float = field(default=0, metadata={"ge": 0})
    """Cards of one of them."""


@dataclass(frozen=True, slots=True)
class Folds:
    """How the leave-one-subject-out folds of a trial are trained."""

    chunk: int = field(default=1, metadata={"ge": 1})
    """Folds between two reports; a chunk is computed whole or not at all."""
    backend: Literal["loop", "fused", "processes", "loop-graph", "fused-graph"] = "loop"
    """One fold after another, all folds of a chunk as one program, or one process per core over the folds.

    `…-graph` on a card: every step recorded once and replayed.
    """
    batch: Literal["fixed", "auto"] = "fixed"
    """Chunk and back-end as they are given, or as they are fastest on this device, measured at launch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the arithmetic; bfloat16 = mixed, with parameters in float32. It changes scores."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """What the points of a run stand for where it shows what each part of a configuration is worth."""

    variants: tuple[str, ...]
    """Name of each point; the first is the full configuration."""
    already_off: tuple[str, ...] = ()
    """Ablations that would change nothing, because the part is off already."""
    exported: str = ""
    """Run and trial that the configuration was exported from; empty where it was not."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, resolved and valid."""

    run: Run
    data: Data
    macro: Macro
    preprocess: Preprocess
    cache: str
    """`preprocess.cache`: the folder of preprocessed clips."""
    algorithm: AlgorithmConfig
    search: Search
    trial: Trial
    cluster: Growth
    folds: Folds
    space: Space
    fixed: tuple[str, ...] = ()
    """Paths of the file's search space that an override took out of the search."""
    ablation: Ablation | None = None
    """Null for a search."""
    given: frozenset[str] = field(default=frozenset(), compare=False)
    """Paths of the algorithm's settings that a file or an override sets; the others have their defaults."""

    def to_dict(self) -> dict[str, Any]:
        """Plain nested values with the keys of the YAML, as `config.yaml` of a run holds them."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(dataclasses.replace(self, space=Space())))
        plain["preprocess"]["cache"] = plain.pop("cache")
        plain["algorithm"] = {"name": self.algorithm.name, **plain["algorithm"]["settings"]}
        for section, name in ((plain["search"], "points"), (plain, "ablation")):
            if not section[name]:
                del section[name]
        del plain["space"], plain["fixed"], plain["given"]
        if self.space.parameters:
            plain["space"] = self.space.to_mapping()
        if self.fixed:
            plain["fixed"] = list(self.fixed)
        return plain

    def with_parameters(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """The algorithm's settings with the parameters of a trial put in (`algorithm.x.y` → value).

        Raises:
            ConfigError: A path is no setting of the algorithm.
        """
        settings = copy.deepcopy(self.algorithm.settings)
        problems = [path for path, value in values.items() if not _put(settings, path, value)]
        raise_all(
            [
                ConfigError(
                    f"{path} is no setting of {self.algorithm.name}", fix="was the algorithm changed?"
                )
                for path in problems
            ]
        )
        return settings

    def pinned(self, values: Mapping[str, Value]) -> Config:
        """This configuration with the parameters of a trial put in and nothing left to search."""
        return dataclasses.replace(
            self,
            algorithm=dataclasses.replace(self.algorithm, settings=self.with_parameters(values)),
            search=dataclasses.replace(
                self.search,
                points=(),
                warm_start=None,
                second_objective="none",
                time_budget=None,
                gpu_hours=None,
                stop_when_flat=False,
            ),
            space=Space(),
            fixed=(),
            ablation=None,
        )


def _require_increasing(key: str, values: tuple[float, ...]) -> None:
    if list(values) != sorted(set(values)):
        raise ConfigError(f"{key} must increase", received=repr(list(values)))


def _put(settings: dict[str, Any], path: str, value: Value) -> bool:
    root, *parents, name = path.split(".")
    node: Any = settings if root == "algorithm" else None
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    if not isinstance(node, dict) or name not in node:
        return False
    node[name] = value
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
