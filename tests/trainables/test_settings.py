"""The documentation lists every setting with its default and its meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.trainables.test_hard_types import LABEL_SETS, hard
from trainables.quintuplet.settings import Settings

TEXT = (Path(__file__).parents[2] / "docs" / "quintuplet.md").read_text(encoding="utf-8")


def rows(group: Any, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(group):
        value = getattr(group, field.name)
        if dataclasses.is_dataclass(value):
            yield from rows(value, f"{prefix}{field.name}.")
        else:
            yield f"| `{prefix}{field.name}` | {value} | {field.metadata['doc']} |"


def test_the_table_of_settings_is_the_code() -> None:
    table = [line for line in TEXT.splitlines() if line.startswith("| `") and line.count("|") == 4]
    listed = [line for line in table if line.split("`")[1].partition("=")[0] == line.split("`")[1]]
    assert listed == list(rows(Settings()))


def test_the_table_of_hard_types_is_the_code() -> None:
    for name, emotions in LABEL_SETS.items():
        line = next((line for line in TEXT.splitlines() if line.startswith(f"| {name} |")), None)
        if line is not None:
            found = [
                f"{own} → {emotions[c]}"
                for own, (c,) in zip(emotions, hard(emotions).micro_negative, strict=True)
            ]
            assert line == f"| {name} | {', '.join(found)} |"
