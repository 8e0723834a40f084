"""What `data check` tells."""

from __future__ import annotations

import dataclasses
import json

import pytest

from mersearch.data.casme2 import read
from mersearch.data.check import check, check_given, frame_sizes, lines
from mersearch.data.labels import label_set
from mersearch.data.synthetic import synthesize_labels
from mersearch.errors import DataError


@pytest.fixture
def root(tmp_path, casme2_on_disk):
    rows = casme2_on_disk.many(["01", "02", "03"], ["happiness", "disgust", "others", "fear"])
    rows.append(casme2_on_disk.row(filename="EP99_01", emotion="surprise", apex="/", action_units="?"))
    return casme2_on_disk.write(tmp_path, rows, size=(28, 34))


def test_counts_are_set_against_the_published_ones(root):
    facts = check_given("casme2", [str(root)])
    assert facts.classes == {
        "happiness": (3, 32),
        "disgust": (3, 63),
        "repression": (0, 27),
        "surprise": (1, 25),
        "others": (3, 99),
    }
    assert (facts.subjects, facts.clips, facts.rows) == (3, 10, 13)
    assert "differ from the published label file" in facts.warnings[0]
    assert "disgust 3 of 63" in facts.warnings[0]


def test_no_count_warning_where_the_counts_agree(root):
    database = read(root, label_set("casme2-5"))
    agreeing = dataclasses.replace(database, expected=database.counts())
    unknown = dataclasses.replace(database, expected=None)
    for one in (agreeing, unknown):
        assert not any("differ" in warning for warning in check(one, {}).warnings)
        assert not any("!" in line for line in lines(check(one, {})))
    assert any("–" in line for line in lines(check(unknown, {})))


def test_sizes_rates_lengths_and_annotation_are_told(root):
    facts = check_given("casme2", [str(root)], "casme2-7")
    assert facts.sizes == ((28, 34, 13),)
    assert (facts.fps, facts.frames, facts.aligned) == ((200.0,), (5, 5, 5), True)
    assert facts.clips_per_subject == (4, 5)
    assert facts.without_action_units == 1


def test_dropped_and_repaired_rows_come_with_their_reasons(root):
    facts = check_given("casme2", [str(root)])
    assert facts.dropped == {
        "fear is not in the label set casme2-5": [f"casme2/{k}/EP03_01" for k in ("01", "02", "03")]
    }
    assert facts.repaired == {"no apex ('/'): the middle of onset and offset": ["casme2/01/EP99_01"]}


def test_a_class_of_one_subject_and_a_single_subject_are_warned_about(root, tmp_path, casme2_on_disk):
    assert any(
        "class surprise occurs in casme2/01 only" in w for w in check_given("casme2", [str(root)]).warnings
    )
    alone = casme2_on_disk.write(tmp_path / "alone", [casme2_on_disk.row()])
    warnings = check_given("casme2", [str(alone)]).warnings
    assert any("one subject only" in warning for warning in warnings)
    assert not any("occurs in" in warning for warning in warnings)


def test_stills_are_warned_about(tmp_path):
    stills = synthesize_labels(tmp_path / "stills", "mmew_macro")
    warnings = check_given("mmew_macro", [str(stills)]).warnings
    assert warnings == ("no motion in 900 clips of one frame: the flow there is zero",)


@pytest.mark.parametrize("database", ["casme2", "samm", "mmew", "smic"])
def test_nothing_is_warned_about_where_the_published_counts_are_found(tmp_path, database):
    assert check_given(database, [str(synthesize_labels(tmp_path / database, database))]).warnings == ()


def test_the_text_fits_80_columns_and_holds_every_fact(root):
    facts = check_given("casme2", [str(root)])
    text = lines(facts)
    assert max(map(len, text)) <= 80
    joined = " ".join(" ".join(text).split())
    for fact in (
        "10 clips of 3 subjects, 13 annotations read",
        "disgust 3 63 !",
        "28×34 (10 clips)",
        "3: fear is not in the label set casme2-5",
        "1: no apex",
        "cropped faces",
        "200 per second",
        "1 of 10 clips without annotated action units",
        *facts.warnings,
    ):
        assert fact in joined


def test_many_clips_with_one_reason_are_counted(tmp_path, ckplus_on_disk):
    sequences = [ckplus_on_disk.sequence(), ckplus_on_disk.sequence(session="002", emotion="1.0")]
    sequences += [ckplus_on_disk.sequence(session=f"{n:03d}", emotion=None) for n in range(3, 12)]
    facts = check_given("ckplus", [str(ckplus_on_disk.write(tmp_path, sequences))])
    joined = " ".join(" ".join(lines(facts)).split())
    assert "9: no emotion label (empty session folder)" in joined
    assert "… 5 more" in joined
    assert "whole pictures" in joined
    assert "action units annotated for every clip" in joined
    assert not any("fold" in warning for warning in facts.warnings)


def test_the_facts_are_plain_enough_for_json(root):
    assert json.loads(json.dumps(dataclasses.asdict(check_given("casme2", [str(root)]))))["clips"] == 10


def test_an_unreadable_first_frame_names_clip_and_file(root):
    (root / "Cropped" / "sub02" / "EP00_01" / "reg_img8.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"casme2/02/EP00_01(?s:.*)reg_img8.jpg"):
        frame_sizes(read(root, label_set("casme2-5")))


def test_an_unknown_database_is_an_error(tmp_path):
    with pytest.raises(DataError, match="is one of: casme2"):
        check_given("casme3", [str(tmp_path)])
