"""Readers by name, and the same contract for each of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mersearch.data.labels import label_set
from mersearch.data.readers import read_macro, read_micro
from mersearch.data.synthetic import synthesize
from mersearch.data.table import Database
from mersearch.errors import DataError


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """One small generated database per layout."""
    base = tmp_path_factory.mktemp("generated")
    return {
        layout: synthesize(base / layout, layout, subjects=4, clips=20, seed=5, size=0.5)
        for layout in ("casme2", "ckplus")
    }


@pytest.fixture(params=["casme2", "ckplus"])
def database(request, roots) -> Database:
    root = roots[request.param]
    return read_macro("ckplus", root) if request.param == "ckplus" else read_micro("casme2", root, "casme2-5")


def test_every_clip_keeps_the_rules_of_the_table(database):
    assert database.clips
    ids = [clip.clip_id for clip in database.clips]
    assert len(set(ids)) == len(ids)
    for clip in database.clips:
        assert 0 <= clip.onset <= clip.apex <= clip.offset == len(clip.frames) - 1
        assert clip.clip_id.startswith(f"{clip.subject}/")
        assert clip.subject.startswith(f"{database.name}/")
        assert clip.database == database.name
        assert clip.emotion in database.classes
        assert clip.emotion == clip.emotion.lower()
        assert all(path.is_file() for path in clip.frames)


def test_every_labelled_row_is_a_clip_or_a_note(database):
    assert len(database.clips) + len(database.dropped) == database.rows
    assert sum(database.counts().values()) == len(database.clips)
    assert all(note.reason for note in database.dropped + database.repaired)
    assert len(database.label_hash) == 64


def test_reading_twice_gives_the_same(database, roots):
    root = roots[database.name]
    again = (
        read_macro("ckplus", root) if database.name == "ckplus" else read_micro("casme2", root, "casme2-5")
    )
    assert again == database


def test_what_is_read_is_what_the_generator_meant(database, roots):
    chosen = label_set({"casme2": "casme2-5", "ckplus": "ckplus-7"}[database.name])
    lines = (roots[database.name] / "truth" / "clips.jsonl").read_text().splitlines()
    truth = {f"{database.name}/{record['clip']}": record for record in map(json.loads, lines)}
    for clip in database.clips:
        record = truth[clip.clip_id]
        assert clip.emotion == chosen.emotion(record["emotion"])
        assert len(clip.frames) == record["offset"] - record["onset"] + 1
        if clip.clip_id not in {note.clip_id for note in database.repaired}:
            assert clip.apex == record["apex"] - record["onset"]
        if clip.action_units is not None:
            assert clip.action_units == tuple(sorted({unit["number"] for unit in record["action_units"]}))
    assert len(truth) == database.rows


def test_casme2_crops_are_aligned_and_ckplus_pictures_are_not(roots):
    assert read_micro("casme2", roots["casme2"], "casme2-5").aligned
    assert not read_macro("ckplus", roots["ckplus"]).aligned


@pytest.mark.parametrize(
    ("name", "meant"), [("casme-2", "casme2"), ("CASME2", "casme2"), ("casmeii", "casme2")]
)
def test_an_unknown_micro_database_gets_a_suggestion(tmp_path, name, meant):
    with pytest.raises(DataError, match=rf"is one of: casme2(?s:.*)did you mean {meant}\?"):
        read_micro(name, tmp_path, "casme2-5")


@pytest.mark.parametrize("name", ["CK+", "ck+", "ckplus7"])
def test_an_unknown_macro_database_gets_a_suggestion(tmp_path, name):
    with pytest.raises(DataError, match=r"is one of: ckplus(?s:.*)did you mean ckplus\?"):
        read_macro(name, tmp_path)


def test_a_name_like_no_other_lists_the_valid_ones(tmp_path):
    with pytest.raises(DataError, match="use one of these names"):
        read_macro("zzz", tmp_path)


def test_a_label_set_of_another_database_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"casme2-5, casme2-7, megc2019(?s:.*)belongs to ckplus"):
        read_micro("casme2", tmp_path, "ckplus-7")


def test_one_database_given_as_the_other_is_recognised(roots):
    with pytest.raises(DataError, match=r"it looks like CK\+"):
        read_micro("casme2", roots["ckplus"], "casme2-5")
    with pytest.raises(DataError, match="it looks like CASME II"):
        read_macro("ckplus", roots["casme2"])
