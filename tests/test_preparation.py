from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from mersearch.config import compose
from mersearch.data.composite import combined
from mersearch.data.manifest import read as read_manifest
from mersearch.errors import DataError
from mersearch.preparation import read
from tests.data.clip_tables import flow_rows, write_table

SMALL = [
    "data.synthetic.subjects=2",
    "data.synthetic.clips=3",
    "macro=none",
    "algorithm.quintuplet.macro=false",
]


def test_what_a_killed_process_has_written_of_a_synthetic_database_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = compose("quintuplet", [*SMALL, "algorithm.mask.macro=false"])
    root = Path(config.data.root)
    killed, living = (root.with_name(f".{root.name}.unfinished-{pid}") for pid in (1, 2))
    for folder in (killed, living):
        folder.mkdir(parents=True)
        (folder / "001.jpg").touch()
    descriptor = os.open(living, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert len(read(config, lambda *_: None).micro.clips) > 0
    finally:
        os.close(descriptor)
    assert sorted(root.parent.iterdir()) == sorted([living, root])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": "0"}, "'mmew/00' in manifest, 'mmew/0' in manifest"),
        ({"flow": "flow/c1.npy"}, "mmew/00/posed has a file of mmew/01/c1"),
        ({}, ""),
    ],
    ids=["a zero less", "a file of somebody else", "as it should be"],
)
def test_a_person_has_one_name_and_files_of_their_own_among_the_macro_clips_too(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    rows = [{**row, "database": "mmew", "clip_id": "", "kind": "micro"} for row in flow_rows(tmp_path)]
    posed = {**rows[0], "clip_id": "posed", "kind": "macro", **change}
    table = write_table(tmp_path / "manifest.csv", [*rows, posed])
    options = [f"data.root={table}", "macro=manifest", f"macro.root={table}", "run.name=one"]
    config = compose("disentangle", ["data=manifest", *options])
    if not message:
        assert read(config, lambda *_: None).macro is not None
        return
    with pytest.raises(DataError, match="all databases that are used together") as error:
        read(config, lambda *_: None)
    assert error.value.received == message


def test_nor_has_a_person_two_names_in_two_databases_of_a_composite(tmp_path: Path) -> None:
    rows = flow_rows(tmp_path, subjects=2)
    parts = []
    for name, subject in (("one", "01"), ("other", "1")):
        changed = [
            {**row, "database": "mmew", "subject": subject, "clip_id": f"{name}{n}"}
            for n, row in enumerate(rows)
        ]
        parts.append(read_manifest(write_table(tmp_path / f"{name}.csv", changed), "derived"))
    with pytest.raises(DataError, match="a person has one name in all databases"):
        combined(parts)
