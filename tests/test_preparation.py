from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from mersearch.config import compose
from mersearch.preparation import read

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
