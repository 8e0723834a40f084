"""Are two runs about the same clips? Scores on others do not compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mersearch.errors import DataError, MersearchError
from mersearch.store import FoldPlan, RunDirectory

SHOWN: Final = 5
"""Subjects, or keys, that an error names."""
RULE: Final = "scores of two runs compare on the same {} only"
FIX: Final = "launch one of the two again on the data of the other"


@dataclass(frozen=True, slots=True)
class Source:
    """What a run was judged on.

    Attributes:
        run: its name.
        data: the section of its provenance.
        plan: its folds.
    """

    run: str
    data: Mapping[str, Any]
    plan: FoldPlan

    @classmethod
    def of(cls, run: RunDirectory) -> Source:
        """Of a run that exists."""
        return cls(run.name, run.provenance["data"], run.plan)


def data_differences(first: Source, second: Source) -> list[MersearchError]:
    """What keeps the scores of two runs from being compared, by name; empty where nothing does.

    Clips that are tested decide. Macro clips are trained on only: which ones is a choice of either run.
    """
    names = f"{first.run}: {{}}; {second.run}: {{}}"
    databases = [tested(source.data) for source in (first, second)]
    for what, one, other in (
        ("label set", first.data["labels"], second.data["labels"]),
        ("database", databases[0]["name"], databases[1]["name"]),
    ):
        if one != other:
            return [DataError(RULE.format(what), received=names.format(one, other), fix=FIX)]
    found: list[MersearchError] = []
    for mine, theirs in ((first, second), (second, first)):
        if lacking := [name for name in mine.plan.subjects if name not in theirs.plan.subjects]:
            received = f"{theirs.run} lacks {listed(lacking)}, which {mine.run} has"
            found.append(DataError(RULE.format("subjects"), received=received, fix=FIX))
    files = [dict(_label_files(database)) for database in databases]
    for name in [name for name in files[0] if files[0][name] != files[1].get(name)]:
        received = names.format(*(f"label file {each[name][:12]} of {name}" for each in files))
        found.append(DataError(RULE.format("data"), received=received, fix=FIX))
    return found or _clips(first, second)


def tested(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The database that a run is judged on, from the section `data` of its provenance.

    It stands first, a composite as one with its parts; that of the macro clips, if any, stands behind it.
    """
    micro: Mapping[str, Any] = data["databases"][0]
    return micro


def _label_files(database: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and hash of the label file; of a composite, those of its parts."""
    for one in database.get("parts", (database,)):
        yield one["name"], one["label_file"]


def _clips(first: Source, second: Source) -> list[MersearchError]:
    """Subjects with other numbers of clips."""
    counts = dict(zip(second.plan.subjects, second.plan.counts, strict=True))
    differing = [
        name for name, row in zip(first.plan.subjects, first.plan.counts, strict=True) if counts[name] != row
    ]
    if not differing:
        return []
    received = f"{first.run} and {second.run} differ in {listed(differing)}"
    return [DataError(RULE.format("clips per class"), received=received, fix=FIX)]


def listed(names: Sequence[str]) -> str:
    """The first ones by name, the others counted."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
