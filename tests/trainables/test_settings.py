"""The documentation lists every setting with its default and its meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.test_hard_types import LABEL_SETS, hard
from trainables.disentangle import Disentangle
from trainables.quintuplet import Quintuplet

DOCS = Path(__file__).parents[2] / "docs"


def lines(name: str) -> list[str]:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8").splitlines()


def rows(group: Any, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(group):
        value = getattr(group, field.name)
        if dataclasses.is_dataclass(value):
            yield from rows(value, f"{prefix}{field.name}.")
        else:
            yield f"| `{prefix}{field.name}` | {value} | {field.metadata['doc']} |"


@pytest.mark.parametrize(
    ("name", "settings"), [("quintuplet", Quintuplet.Settings()), ("disentangle", Disentangle.Settings())]
)
def test_the_table_of_settings_is_the_code(name: str, settings: Any) -> None:
    table = lines(name)[lines(name).index("| Setting | Default | What it does |") + 2 :]
    listed = table[: table.index("")]
    assert listed == list(rows(settings))


def test_the_table_of_hard_types_is_the_code() -> None:
    for name, emotions in LABEL_SETS.items():
        line = next((line for line in lines("quintuplet") if line.startswith(f"| {name} |")), None)
        if line is not None:
            found = [
                f"{own} → {emotions[c]}"
                for own, (c,) in zip(emotions, hard(emotions).micro_negative, strict=True)
            ]
            assert line == f"| {name} | {', '.join(found)} |"
