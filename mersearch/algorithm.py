"""The protocol every algorithm satisfies, and what one fold may see.

An algorithm is written once, for one fold, on tensors of fixed shape, so that many folds can run as one
program. Inside `loss` and `predict` there are masks instead of branches on data, no `.item()`, no generator
objects (see `mersearch.stateless`), and in `predict` no batch statistics. Batches are index tensors that `plan`
draws outside, from the fold's training clips only: every fold takes the same number of steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mersearch.errors import ConfigError

Parameters = dict[str, Tensor]
"""Flat: dotted name → tensor. Groups that an `Update` trains are prefixes of these names."""
State = dict[str, Tensor]
"""What a fold carries from step to step without gradient (moving averages); may be empty."""
Batch = Mapping[str, Tensor]
Logs = dict[str, Tensor]
Plan = dict[str, NDArray[Any]]
"""Arrays whose first axis is the step. `micro` and `macro` are int64 positions among the training clips
(`[S, B]`); every other array reaches `loss` as it is, one row per step."""

Need = Literal["rgb", "flow", "macro"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is fixed for all folds of a study."""

    frames: int
    """T, sampled frames per clip."""
    size: int
    """Height and width of a frame in pixels."""
    views: tuple[str, ...]
    """Views on disk: a subset of `("rgb", "flow")`."""
    emotions: tuple[str, ...]
    """Classes of the micro clips, in the order of the logits."""
    macro_emotions: tuple[str, ...]
    """Classes of the macro clips (their own order); empty without macro clips."""
    action_units: tuple[int, ...]
    """FACS numbers of the columns of `action_units`."""
    subjects: int
    """Number of micro subjects; identity classes are padded to it."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of the clips that a fold may train on; position i is what a plan's index i means.

    Attributes:
        emotion: int64 [N].
        subject: int64 [N], numbered over the whole database, so not contiguous in a fold.
        action_units: bool [N, A]; a row of False where none are annotated.
        annotated: bool [N], whether the clip has action-unit annotation.
    """

    emotion: NDArray[np.int64]
    subject: NDArray[np.int64]
    action_units: NDArray[np.bool_]
    annotated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.emotion)

    def take(self, index: NDArray[np.int64]) -> Labels:
        """The labels of some clips, in the order of `index`."""
        return Labels(
            self.emotion[index],
            self.subject[index],
            self.action_units[index],
            self.annotated[index],
        )


@dataclass(frozen=True, slots=True)
class Training:
    """Everything a plan may know: the labels of the fold's training clips, and of the macro clips."""

    micro: Labels
    macro: Labels | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate over a stage: linear warm-up over a share of the steps, then constant or cosine to 0."""

    warmup: float = 0.0
    decay: Literal["constant", "cosine"] = "cosine"


@dataclass(frozen=True, slots=True)
class Optimiser:
    """AdamW (decoupled weight decay), or SGD with Nesterov momentum 0.9."""

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    """Largest gradient norm over the group, per fold; 0 = no clipping."""


@dataclass(frozen=True, slots=True)
class Update:
    """One optimiser step on one loss, taken `repeats` times per step of the stage."""

    loss: str
    group: tuple[str, ...]
    """Prefixes of parameter names; everything else receives no gradient."""
    optimiser: Optimiser
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """`steps` rounds over `updates`, with a fresh optimiser state and the schedule applied to every update."""

    name: str
    steps: int
    updates: tuple[Update, ...]
    schedule: Schedule = field(default_factory=Schedule)
    shared: tuple[str, ...] | None = None
    """None: a stage of every fold. Else a stage on macro clips alone, which is run once for all folds and trials, and
    the dotted settings (or groups of them) that it depends on; every other setting is at its default there."""


class Algorithm(Protocol):
    """One configuration of an algorithm for given shapes; holds no parameters of a network itself.

    The class also carries `Settings`, a frozen dataclass of its parameters with defaults (nested dataclasses
    allowed; bounds through `bounded`), and is constructed as `Class(settings, shapes)`.

    Keys of a batch that `loss` receives: for each kind in the plan (`micro`, `macro`): `<kind>.rgb`
    float32 [B, 3, T, H, W] in [0, 1], `<kind>.flow` float32 [B, 3, T, H, W] (u, v, strain in units of the
    clipping scale, [-1, 1]), `<kind>.emotion` int64 [B], `<kind>.subject` int64 [B], `<kind>.action_units` float32
    [B, A], `<kind>.annotated` float32 [B]; and the plan's own arrays. `predict` receives `micro.rgb` and
    `micro.flow` only, never a label. A view that is not on disk has no key.

    Stages with `shared` come before all others. They are run by an object of the class that is made of the settings
    they name and of defaults; their `plan` is given no micro clip. What they leave, the parameters of their groups
    and the state, is what every fold begins with. An algorithm that has some keeps its `settings` and `shapes`.

    The class may carry `CURVES`, names of logs that are kept as curves beside every loss (see `curves`). The first
    is the training loss of the task itself, by which convergence is compared where the whole loss is not comparable.

    An algorithm may have a method `inspect(parameters, state, batch) -> Mapping[str, Tensor]`, called after training
    on batches of training clips with the keys that `predict` receives: numbers per clip [B], of which the mean is
    kept, and `feature` [B, D], on which a probe for the subject is trained.

    It may also carry a static method `ablations(settings) -> Mapping[str, Mapping[str, value]]` for `mersearch
    ablate`: name of an ablation → dotted settings (without `algorithm.`) and their values without that part; no
    settings where the part is off in `settings` already.


    For data that lack a view or macro clips it may carry a static method `without(need) -> Mapping[str, Mapping[str,
    value]]`, `need` being one of `Need`: name of what then goes → dotted settings and their values without it.
    Settings that the user gave are left alone.
    """

    Settings: type[Any]

    def needs(self) -> frozenset[Need]:
        """Which views and clips this configuration cannot do without."""
        ...

    def stages(self) -> tuple[Stage, ...]:
        """The training schedule."""
        ...

    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        """Batches of all `stage.steps * update.repeats` steps, drawn from the fold's training clips."""
        ...

    def init(self, key: int) -> tuple[Parameters, State]:
        """Fresh parameters and state (CPU, float32), a pure function of `key`."""
        ...

    def loss(
        self,
        name: str,
        parameters: Parameters,
        state: State,
        batch: Batch,
        key: Tensor,
        step: Tensor,
    ) -> tuple[Tensor, State, Logs]:
        """The scalar loss `name` of one fold on one batch.

        `key` and `step` are int64 scalars: the key of this fold, stage and loss, and the row of the plan.
        """
        ...

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits [B, L] and maps in [0, 1], float32 [B, 14, 14] (attention or mask, mean over time)."""
        ...


def curves(algorithm: object) -> tuple[str, ...]:
    """The logs that an algorithm (or its class) wants kept as curves: its `CURVES`, or none.

    Raises:
        ConfigError: `CURVES` is something else than a tuple or list of names.
    """
    named = getattr(algorithm, "CURVES", ())
    if not isinstance(named, tuple | list) or not all(isinstance(name, str) for name in named):
        raise ConfigError(
            "CURVES of an algorithm is a tuple of names of logs",
            received=repr(named),
            fix='write CURVES = ("classification",)',
        )
    return tuple(named)


def bounded(
    default: T,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    doc: str = "",
) -> T:
    """A dataclass field with a default and bounds that the configuration enforces."""
    limits = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    metadata = {name: value for name, value in limits.items() if value is not None}
    return field(default=default, metadata={**metadata, "doc": doc})


def settings_from(cls: type[T], values: Mapping[str, Any]) -> T:
    """The frozen settings of type `cls` from nested plain values, as a validated configuration holds them."""
    hints = _hints(cls)
    arguments = {
        name: settings_from(hints[name], value) if dataclasses.is_dataclass(hints[name]) else _plain(value)
        for name, value in values.items()
    }
    return cls(**arguments)


def restricted(settings: T, names: Iterable[str]) -> T:
    """The defaults of a settings record, but for the values that these dotted settings, or groups of them, have.

    Raises:
        ConfigError: a name that is no setting.
    """
    found = type(settings)()
    for name in names:
        found = _with(found, settings, name.split("."), name)
    return found


def _with(record: T, values: T, path: Sequence[str], name: str) -> T:
    """`record` with what `values` has at `path`."""
    known = (
        {field.name for field in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else set()
    )
    if path[0] not in known:
        raise ConfigError(
            "a shared stage names settings of its algorithm that it depends on",
            received=f"{name!r} in {type(values).__name__}",
            fix="correct `shared` of the stage",
        )
    value = getattr(values, path[0])
    if len(path) > 1:
        value = _with(getattr(record, path[0]), value, path[1:], name)
    changed: T = dataclasses.replace(record, **{path[0]: value})  # type: ignore[type-var]
    return changed


def _hints(cls: type[Any]) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(cls)


def _plain(value: Any) -> Any:
    return tuple(_plain(item) for item in value) if isinstance(value, list) else value
