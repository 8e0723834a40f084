"""Label sets and repairs, which are data."""

from __future__ import annotations

import pytest

from mersearch.data import labels
from mersearch.data.labels import label_set, label_sets, repair
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


@pytest.mark.parametrize(("name", "clips"), [("casme2-5", 246), ("casme2-7", 255), ("megc2019", 145)])
def test_expected_counts_follow_from_the_label_file(name, clips):
    chosen = label_set(name)
    counts = dict.fromkeys(chosen.classes, 0)
    for emotion, rows in CASME2_2014.items():
        target = chosen.emotion(emotion)
        if target is not None:
            counts[target] += rows
    # Both clips that MEGC 2019 leaves out are negative.
    counts["negative"] = counts.get("negative", 0) - len(chosen.dropped)
    assert {label: count for label, count in counts.items() if label in chosen.classes} == chosen.expected
    assert sum(chosen.expected.values()) == clips


def test_ckplus_has_327_labelled_sequences():
    assert sum(label_set("ckplus-7").expected.values()) == 327


@pytest.mark.parametrize("name", label_sets())
def test_a_label_set_is_consistent(name):
    chosen = label_set(name)
    assert set(chosen.mapping.values()) - {None} == set(chosen.classes) == set(chosen.expected)
    assert tuple(chosen.expected) == chosen.classes
    assert set(chosen.aliases.values()) <= set(chosen.mapping)
    assert all(clip.startswith(f"{chosen.database}/") and reason for clip, reason in chosen.dropped.items())


def test_megc2019_has_three_classes_and_leaves_two_clips_out():
    chosen = label_set("megc2019")
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
    assert repair("casme2/01/EP02_01f") is None
