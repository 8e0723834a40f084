"""Every shipped database on its way from a configuration to the folds and the provenance of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from mersearch.config import Config, compose
from mersearch.config.records import Synthetic
from mersearch.data.cache_index import read_index
from mersearch.data.cache_load import load
from mersearch.data.folds import People, folds
from mersearch.data.readers import MACRO, MICRO, read_macro, read_micro
from mersearch.data.synthetic import LAYOUTS, synthesize
from mersearch.data.table import Database, Note
from mersearch.ready import make_ready

SMALL = ["preprocess.frames=2", "preprocess.size=8", "preprocess.flow_size=16", "preprocess.align=none"]
WITHOUT = ["macro=none", "algorithm.quintuplet.macro=false", "algorithm.mask.macro=false"]
MACRO_OF = {"casme2": "ckplus", "mmew": "mmew_macro"}
"""Which macro database is prepared with which micro database."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small painted database per reader."""
    base = tmp_path_factory.mktemp("databases")
    for name in (*MICRO, *MACRO):
        size = 0.4 if name == "ckplus" else 0.2
        synthesize(base / name, name, subjects=3, clips=12, seed=2, size=size)
    return base


def configured(folder: Path, name: str, cache: Path) -> Config:
    macro = MACRO_OF.get(name)
    chosen = [f"macro={macro}", f"macro.root={folder / macro}"] if macro else WITHOUT
    place = [f"data={name}", f"data.root={folder / name}", f"preprocess.cache={cache}", "trial.gpus=0"]
    return compose("quintuplet", [*place, *chosen, *SMALL])


def facts(database: Database) -> dict[str, Any]:
    def pairs(notes: tuple[Note, ...]) -> list[list[str]]:
        return [[note.clip_id, note.reason] for note in notes]

    return {
        "name": database.name,
        "label_file": database.label_hash,
        "rows": database.rows,
        "clips": len(database.clips),
        "subjects": len(database.subjects),
        "dropped": pairs(database.dropped),
        "repaired": pairs(database.repaired),
    }


def test_every_layout_can_be_asked_for_in_a_configuration() -> None:
    assert {*get_args(get_type_hints(Synthetic)["layout"])} == {*LAYOUTS, "composite"}
    assert LAYOUTS.keys() == MICRO.keys() | MACRO.keys()


@pytest.mark.parametrize("name", MICRO)
def test_a_run_and_its_caches_say_what_became_of_every_row(folder: Path, name: str, tmp_path: Path) -> None:
    config = configured(folder, name, tmp_path)
    ready = make_ready(config, lambda *_: None)
    read = [read_micro(name, folder / name, config.data.labels)]
    read += [read_macro(MACRO_OF[name], folder / MACRO_OF[name])] if name in MACRO_OF else []
    assert ready.provenance["data"]["databases"] == [facts(database) for database in read]
    for database, cache in zip(read, ready.provenance["data"]["caches"], strict=True):
        index = read_index(Path(cache))
        assert (index.database, index.label_hash, index.rows) == (
            database.name,
            database.label_hash,
            database.rows,
        )
        assert (index.dropped, index.repaired) == (database.dropped, database.repaired)
        assert [entry.clip_id for entry in index.entries] == [clip.clip_id for clip in database.clips]


def test_no_fold_of_mmew_trains_on_a_still_of_its_subject(folder: Path, tmp_path: Path) -> None:
    study = make_ready(configured(folder, "mmew", tmp_path), lambda *_: None).study
    dataset = load(study.micro, study.macro)
    people = People.of(dataset)
    assert set(people.macro) == set(people.micro)
    for fold in folds(dataset):
        left_out = [person for person in people.macro if person == fold.subject]
        assert left_out
        assert len(fold.macro) == len(people.macro) - len(left_out)
        assert fold.subject not in {people.macro[position] for position in fold.macro}


def test_no_macro_clip_is_left_out_where_nobody_is_in_both_databases(folder: Path, tmp_path: Path) -> None:
    study = make_ready(configured(folder, "casme2", tmp_path), lambda *_: None).study
    dataset = load(study.micro, study.macro)
    assert dataset.macro is not None
    assert {len(fold.macro) for fold in folds(dataset)} == {len(dataset.macro)}
