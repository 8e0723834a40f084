"""What training on macro clips alone leaves, and the check that a fold whose subject it has seen never uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Algorithm, Parameters, State
from mersearch.errors import DataError, TrialFailure
from mersearch.training.record import Diagnostics
from mersearch.training.stages import shared_stages


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """What the shared stages of an algorithm leave, for folds to begin with.

    Attributes:
        parameters: those of the groups that the stages train, on the host.
        state: all of it, on the host.
        diagnostics: of the stages.
        seen: the people of the clips that it was trained on.
        key: digest of all that it follows from: algorithm, settings, seed, clips, code, numeric mode.
    """

    parameters: Parameters
    state: State
    diagnostics: Diagnostics
    seen: frozenset[str]
    key: str


def require_unseen(subject: str, seen: frozenset[str], key: str) -> None:
    """Raise DataError where the training `key`, on macro clips of the people `seen`, has seen `subject`."""
    if subject in seen:
        raise DataError(
            "a fold never begins with a training that has seen its own subject",
            received=f"fold {subject}, and {key[:12]} trained on macro clips of {len(seen)} people, "
            f"{subject} among them",
            fix="build folds with mersearch.data.folds.folds, which leave out the macro clips of their subject",
        )


def begun(
    algorithm: Algorithm, subject: str, seed: int, start: Pretrained | None
) -> tuple[Parameters, State]:
    """Fresh parameters and state of a fold, with what `start` has in their place.

    Args:
        algorithm: one configuration.
        subject: the held-out subject.
        seed: seed of the run.
        start: what the algorithm's shared stages have left; None where it has none.

    Raises:
        DataError: `start` has seen the subject.
        TrialFailure: `start` is missing, or of other shapes than this configuration has.
    """
    parameters, state = algorithm.init(seeds.seed(seed, "init", subject))
    if start is None:
        if left := [stage.name for stage in shared_stages(algorithm)]:
            raise TrialFailure(
                "a fold begins with what the shared stages of its algorithm leave",
                received=f"fold {subject} without {', '.join(left)}",
                fix="train it with mersearch.training.train_chunk, or give `start`",
            )
        return parameters, state
    require_unseen(subject, start.seen, start.key)
    _require_alike("parameter", start.parameters, {name: parameters.get(name) for name in start.parameters})
    _require_alike("state", start.state, {**dict.fromkeys(start.state), **state})
    return {**parameters, **start.parameters}, dict(start.state)


def _require_alike(kind: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor | None]) -> None:
    """Raise TrialFailure unless tensors have the names and shapes that a fold needs."""
    for name, value in wanted.items():
        shapes = [None if tensor is None else tuple(tensor.shape) for tensor in (given.get(name), value)]
        if shapes[0] != shapes[1]:
            raise TrialFailure(
                "a shared stage names every setting that the shapes of what it trains depend on",
                received=f"{kind} {name} of shape {shapes[0]} from the shared stages, {shapes[1]} in a fold",
                fix="add what is missing to `shared` of the stage",
            )
