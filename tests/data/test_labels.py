"""Label sets and repairs, which are data."""

from __future__ import annotations

import pytest

from mersearch.data import labels
from mersearch.data.labels import label_set, label_sets, repair, shared_label_set
from mersearch.errors import DataError

CASME2_2014 = {
    "others": 99,
    "disgust": 63,
    "happiness": 32,
    "repression": 27,
    "surprise": 25,
    "sadness": 7,
    "fear": 2,
}
"""Rows per class of CASME2-coding-20140508.xlsx."""


SAMM_V2 = {
    "anger": 57,
    "happiness": 26,
    "other": 26,
    "surprise": 15,
    "contempt": 12,
    "disgust": 9,
    "fear": 8,
    "sadness": 6,
}
"""Rows per class of SAMM_Micro_FACS_Codes_v2.xlsx."""

MMEW_MICRO = {
    "surprise": 89,
    "disgust": 72,
    "others": 66,
    "happiness": 36,
    "fear": 16,
    "sadness": 13,
    "anger": 8,
}
"""Rows per class of MMEW_Micro_Exp.xlsx."""

SETS = [(database, name) for database in ("casme2", "samm", "mmew", "smic") for name in label_sets(database)]
SETS += [(database, label_sets(database)[0]) for database in ("ckplus", "mmew_macro")]


@pytest.mark.parametrize(
    ("database", "name", "rows", "clips"),
    [
        ("casme2", "casme2-5", CASME2_2014, 246),
        ("casme2", "casme2-7", CASME2_2014, 255),
        ("casme2", "megc2019", CASME2_2014, 145),
        ("samm", "samm-5", SAMM_V2, 136),
        ("samm", "samm-8", SAMM_V2, 159),
        ("samm", "megc2019", SAMM_V2, 133),
        ("mmew", "mmew-4", MMEW_MICRO, 263),
        ("mmew", "mmew-6", MMEW_MICRO, 234),
        ("mmew", "mmew-7", MMEW_MICRO, 300),
    ],
)
def test_expected_counts_follow_from_the_label_file(database, name, rows, clips):
    chosen = label_set(name, database)
    counts = dict.fromkeys(chosen.classes, 0)
    for emotion, count in rows.items():
        target = chosen.emotion(emotion)
        if target is not None:
            counts[target] += count
    # Both clips that MEGC 2019 leaves out are negative.
    counts["negative"] = counts.get("negative", 0) - len(chosen.dropped)
    assert {label: count for label, count in counts.items() if label in chosen.classes} == chosen.expected
    assert sum(chosen.expected.values()) == clips


def test_ckplus_has_327_labelled_sequences():
    assert sum(label_set("ckplus-7").expected.values()) == 327


@pytest.mark.parametrize(("database", "name"), SETS)
def test_a_label_set_is_consistent(database, name):
    chosen = label_set(name, database)
    assert (chosen.name, chosen.database) == (name, database)
    assert set(chosen.mapping.values()) - {None} == set(chosen.classes) == set(chosen.expected)
    assert tuple(chosen.expected) == chosen.classes
    assert set(chosen.aliases.values()) <= set(chosen.mapping)
    assert all(clip.startswith(f"{chosen.database}/") and reason for clip, reason in chosen.dropped.items())


def test_megc2019_has_three_classes_and_leaves_two_clips_out():
    chosen = label_set("megc2019", "casme2")
    assert chosen.classes == ("negative", "positive", "surprise")
    assert set(chosen.dropped) == {"casme2/04/EP12_01f", "casme2/05/EP09_05f"}
    assert [chosen.emotion(word) for word in ("others", "fear", "sadness")] == [None, None, None]
    assert [chosen.emotion(word) for word in ("disgust", "repression")] == ["negative", "negative"]


def test_labels_match_without_case_and_under_other_spellings():
    chosen = label_set("CASME2-5")
    assert chosen.emotion(" Happiness ") == "happiness"
    assert chosen.emotion("Other") == chosen.emotion("OTHERS") == "others"


def test_an_unknown_label_lists_the_valid_ones():
    with pytest.raises(DataError, match=r"one of: disgust, fear, happiness(?s:.*)'joy'"):
        label_set("casme2-5").emotion("joy")


def test_an_unknown_label_set_lists_the_valid_ones():
    with pytest.raises(DataError, match=r"casme2-5, casme2-7, megc2019(?s:.*)'casme2-6'"):
        label_set("casme2-6")


def test_label_sets_of_a_database():
    assert label_sets("casme2") == ("casme2-5", "casme2-7", "megc2019")
    assert label_sets("nowhere") == ()


def test_a_label_set_of_several_databases_wants_the_database():
    with pytest.raises(
        DataError, match=r"megc2019 is a label set of casme2, samm, mmew, smic(?s:.*)name the"
    ):
        label_set("megc2019")
    assert label_sets().count("megc2019") == 1


def test_a_label_set_of_another_database_names_both():
    with pytest.raises(DataError, match=r"of samm is one of: samm-5, samm-8, megc2019(?s:.*)belongs to mmew"):
        label_set("mmew-4", "samm")


def test_changing_a_label_set_changes_no_other():
    label_set("casme2-5").mapping["joy"] = "happiness"
    assert "joy" not in label_set("casme2-5").mapping


def test_every_repair_has_a_reason_and_is_found_by_clip_id():
    table = labels._read("repairs.yaml")
    assert table
    for clip_id in table:
        known = repair(clip_id)
        assert known is not None
        assert known.reason
        assert (known.offset, known.apex, known.absent) != (None, None, False)
    assert repair("casme2/01/EP02_01f") is None


def test_a_class_of_one_database_that_another_spells_as_an_alias_keeps_its_meaning_in_a_table_of_all():
    megc = shared_label_set("megc2019")
    words = ("Repression", "disgust", "sadness", "happiness", "surprise", "other", "Others")
    assert [megc.emotion(word) for word in words] == [*["negative"] * 3, "positive", "surprise", None, None]
    assert shared_label_set("megc2019", "mmew").emotion("repression") is None
