"""Which classes the negatives and the macro members of a quintuplet are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mersearch.algorithm import Labels, Training
from mersearch.errors import ConfigError, MersearchError
from trainables.quintuplet.settings import HardTypeSettings
from trainables.quintuplet.wheel import HARD_TYPES, MACRO_CLASSES, SYNONYMS

Classes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HardTypes:
    """For every micro class, in the order of the logits: classes to draw from; empty = none in the data.

    Attributes:
        micro_negative: at most one micro class, the hard type.
        macro_positive: macro classes that show the same emotion.
        macro_negative: macro classes of the hard type, disjoint from `macro_positive`.
    """

    micro_negative: tuple[Classes, ...]
    macro_positive: tuple[Classes, ...]
    macro_negative: tuple[Classes, ...]


def canonical(name: str) -> str:
    """The spelling of a class that the tables use."""
    return SYNONYMS.get(name.lower(), name.lower())


def resolve(
    settings: HardTypeSettings,
    emotions: Sequence[str],
    macro_emotions: Sequence[str],
    training: Training,
) -> HardTypes:
    """Hard types of a fold: the first class of each preference list that has training clips.

    The micro negative and the macro negative walk the same list, and stop at the first class with micro clips and
    with macro clips, respectively: CK+ may hold the neighbour on the wheel that the micro database lacks.
    """
    names = [canonical(name) for name in emotions]
    macro_names = [canonical(name) for name in macro_emotions]
    present = _present(training.micro, names)
    macro_present = _present(training.macro, macro_names) if training.macro is not None else frozenset()
    overlap = _overlap(training.micro, len(names)) if settings.policy == "au_overlap" else None
    lists = [_preferences(settings.table, names, index, overlap) for index in range(len(names))]
    shown = [_macro_classes(name, macro_names, macro_present) for name in names]
    return HardTypes(
        tuple(_first_micro(preferred, names, present) for preferred in lists),
        tuple(shown),
        tuple(
            _first_macro(preferred, macro_names, macro_present, own)
            for preferred, own in zip(lists, shown, strict=True)
        ),
    )


def table_errors(
    table: Mapping[str, Sequence[str]], emotions: Sequence[str], macro_emotions: Sequence[str]
) -> list[MersearchError]:
    """What is wrong with a user's table: a class that nothing has, or a class that is its own hard type."""
    classes = {canonical(name) for name in emotions}
    known = classes | {canonical(name) for name in macro_emotions} | set(HARD_TYPES)
    errors: list[MersearchError] = []
    for name, preferred in table.items():
        received = f"hard_types.table.{name}: {list(preferred)}"
        wanted = [canonical(other) for other in preferred]
        if canonical(name) not in known or not set(wanted) <= known:
            errors.append(
                ConfigError(
                    "hard types are classes of the label set or of the macro clips",
                    received=received,
                    fix=f"valid classes: {', '.join(sorted(known))}",
                )
            )
        elif canonical(name) in wanted:
            errors.append(ConfigError("a class is not its own hard type", received=received))
    return errors


def jaccard(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted Jaccard index [L, L] of action-unit frequencies [L, A]: Σ_a min / Σ_a max, 0 where both are empty."""
    a, b = frequency[:, None], frequency[None]
    larger = np.maximum(a, b).sum(-1)
    index: NDArray[np.float64] = np.minimum(a, b).sum(-1) / np.where(larger > 0, larger, 1)
    return index


def _overlap(labels: Labels, classes: int) -> NDArray[np.float64]:
    frequency = np.zeros((classes, labels.action_units.shape[1]))
    for emotion in range(classes):
        rows = labels.action_units[(labels.emotion == emotion) & labels.annotated]
        if len(rows):
            frequency[emotion] = rows.mean(0)
    return jaccard(frequency)


def _preferences(
    table: Mapping[str, Sequence[str]],
    names: Sequence[str],
    index: int,
    overlap: NDArray[np.float64] | None,
) -> list[str]:
    """Classes other than `names[index]`, the most easily confused first."""
    name = names[index]
    for key, preferred in table.items():
        if canonical(key) == name:
            return [canonical(other) for other in preferred]
    wheel = list(HARD_TYPES.get(name, ()))
    if overlap is None:
        return wheel
    row = overlap[index]
    ranked = [names[other] for other in np.argsort(-row, kind="stable") if other != index and row[other] > 0]
    return ranked + wheel


def _present(labels: Labels, names: Sequence[str]) -> frozenset[str]:
    return frozenset(names[emotion] for emotion in np.unique(labels.emotion))


def _macro_classes(name: str, macro_names: Sequence[str], present: frozenset[str]) -> Classes:
    shows = MACRO_CLASSES.get(name, (name,))
    return tuple(i for i, macro in enumerate(macro_names) if macro in shows and macro in present)


def _first_micro(preferred: Sequence[str], names: Sequence[str], present: frozenset[str]) -> Classes:
    for name in preferred:
        if name in present:
            return (names.index(name),)
    return ()


def _first_macro(
    preferred: Sequence[str], macro_names: Sequence[str], present: frozenset[str], own: Classes
) -> Classes:
    for name in preferred:
        found = _macro_classes(name, macro_names, present)
        if found and not set(found) & set(own):
            return found
    return ()
