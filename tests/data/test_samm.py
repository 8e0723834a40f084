"""The SAMM reader, on tiny databases with the quirks of the real one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mersearch.data.labels import label_set
from mersearch.data.samm import read
from mersearch.errors import DataError
from tests.data.books import touch, write_book

FIVE, MEGC = label_set("samm-5"), label_set("megc2019", "samm")
BOOK = "SAMM_Micro_FACS_Codes_v2.xlsx"
HEADER = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
)


def row(
    name: str = "006_1_2", onset: object = 5562, apex: object = 5566, offset: object = 5570, **cells: object
) -> list[object]:
    """Subject and frames follow from the name; the duration is a formula nobody has computed."""
    units, emotion = cells.get("units", "L12 or L14"), cells.get("emotion", "Anger")
    subject = cells.get("subject", name[:3])
    return [subject, name, 1, onset, apex, offset, "=F2-D2+1", "Micro", units, emotion, 7, None]


def write(
    root: Path,
    rows: list[list[object]],
    *,
    preamble: int = 13,
    digits: int = 5,
    place: str = ".",
    header: tuple[str | None, ...] = HEADER,
) -> Path:
    text = [["Micro-movements"], *[[]] * preamble][:preamble]
    write_book(root / BOOK, [*text, header, *rows], "MICRO_ONLY")
    for _, name, _, onset, _, offset, *_ in rows:
        if isinstance(onset, int) and isinstance(offset, int):
            names = [f"{str(name)[:3]}_{n:0{digits}d}.jpg" for n in range(onset, offset + 1)]
            touch(root / place / str(name)[:3] / str(name), names)
    return root


@pytest.mark.parametrize("preamble", [0, 1, 13])
def test_the_header_is_found_below_any_number_of_other_rows(tmp_path, preamble):
    (clip,) = read(write(tmp_path, [row()], preamble=preamble), FIVE).clips
    assert (clip.clip_id, clip.subject, clip.emotion) == ("samm/006/006_1_2", "samm/006", "anger")
    assert (clip.onset, clip.apex, clip.offset, clip.fps) == (0, 4, 8, 200.0)
    assert clip.action_units == (12, 14)


def test_the_line_of_a_bad_row_is_that_of_the_spreadsheet(tmp_path):
    write(tmp_path, [row(), row("006_1_3", onset=5600, apex="soon", offset=5610)])
    with pytest.raises(DataError, match=r"samm/006/006_1_3: the apex is a frame number — 'soon' in line 16"):
        read(tmp_path, FIVE)


def test_blank_columns_and_any_order_of_columns_are_fine(tmp_path):
    order = [9, None, 5, 4, 3, None, 8, 1, 0]
    cells = [[full[i] if i is not None else None for i in order] for full in (HEADER, row())]
    write(tmp_path, [row()])
    write_book(tmp_path / BOOK, [["text"], [], *cells])
    assert read(tmp_path, FIVE).clips[0].action_units == (12, 14)


@pytest.mark.parametrize("subject", ["006", 6, "6"])
def test_a_subject_has_three_digits_however_the_cell_is_typed(tmp_path, subject):
    assert read(write(tmp_path, [row(subject=subject)]), FIVE).subjects == ("samm/006",)


@pytest.mark.parametrize("digits", [4, 5])
def test_frames_go_by_their_numbers_whatever_the_padding(tmp_path, digits):
    (clip,) = read(write(tmp_path, [row(onset=995, apex=1000, offset=1004)], digits=digits), FIVE).clips
    assert [int(path.stem[4:]) for path in clip.frames] == list(range(995, 1005))


@pytest.mark.parametrize("word", ["Other", "Others", "OTHERS"])
def test_other_and_others_are_one_class(tmp_path, word):
    root = write(tmp_path, [row(emotion=word)])
    assert read(root, FIVE).clips[0].emotion == "other"


@pytest.mark.parametrize(
    ("cell", "units"),
    [("(R6 or R12)+R15", (6, 12, 15)), ("10A/B", (10,)), ("15A+17", (15, 17)), (4, (4,)), ("L14B", (14,))],
)
def test_the_notation_of_the_coders_is_understood(tmp_path, cell, units):
    assert read(write(tmp_path, [row(units=cell)]), FIVE).clips[0].action_units == units


@pytest.mark.parametrize("name", ["028_4_1", "032_3_1"])
def test_a_known_bad_apex_is_repaired_and_a_release_that_has_it_right_is_not(tmp_path, name):
    bad = read(write(tmp_path / "bad", [row(name, apex=5500)]), FIVE)
    assert bad.clips[0].apex == (5562 + 5570) // 2 - 5562
    assert [note.clip_id for note in bad.repaired] == [f"samm/{name[:3]}/{name}"]
    good = read(write(tmp_path / "good", [row(name, apex=5569)]), FIVE)
    assert (good.clips[0].apex, good.repaired) == (7, ())


def test_an_unknown_bad_apex_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"006_1_2: onset ≤ apex ≤ offset — 5562, 5500, 5570 in line 15"):
        read(write(tmp_path, [row(apex=5500)]), FIVE)


def test_classes_outside_the_label_set_are_dropped_with_a_reason(tmp_path):
    rows = [row(), row("007_3_1", emotion="Fear"), row("009_1_1", emotion="Other")]
    assert [n.reason for n in read(write(tmp_path, rows), FIVE).dropped] == [
        "fear is not in the label set samm-5"
    ]
    megc = read(tmp_path, MEGC)
    assert [clip.emotion for clip in megc.clips] == ["negative", "negative"]
    assert [note.clip_id for note in megc.dropped] == ["samm/009/009_1_1"]


def test_crops_are_taken_first_and_count_as_aligned(tmp_path):
    write(tmp_path, [row()], place="SAMM")
    assert not read(tmp_path, FIVE).aligned
    write(tmp_path, [row()], place="SAMM_CROP")
    cropped = read(tmp_path, FIVE)
    assert cropped.aligned
    assert "SAMM_CROP" in str(cropped.clips[0].frames[0])
    assert read(tmp_path / "SAMM_CROP", FIVE).clips == cropped.clips


def test_folders_without_a_row_are_told(tmp_path):
    root = write(tmp_path, [row()])
    touch(root / "006" / "006_9_9", ["006_00001.jpg"])
    assert [(n.clip_id, n.reason) for n in read(root, FIVE).dropped] == [
        ("samm/006/006_9_9", f"no row in {BOOK}")
    ]


def test_the_label_hash_is_that_of_the_workbook(tmp_path):
    root = write(tmp_path, [row()])
    assert read(root, FIVE).label_hash == hashlib.sha256((root / BOOK).read_bytes()).hexdigest()


def test_a_root_that_lacks_something_gives_one_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nowhere", FIVE)
    write_book(tmp_path / "a" / BOOK, [HEADER, row()])
    with pytest.raises(DataError, match=r"SAMM has frames in 006/006_1_2/…(?s:.*)no folder 006"):
        read(tmp_path / "a", FIVE)
    with pytest.raises(DataError, match=r"SAMM has a label file SAMM_Micro_FACS_Codes_v2.xlsx"):
        read(touch(tmp_path / "b", ["notes.txt"]), FIVE)
    lacking = write(tmp_path / "c", [row()], header=tuple(h for h in HEADER if h != "Apex Frame"))
    with pytest.raises(DataError, match=r"the label file of SAMM has a header(?s:.*)without apexframe"):
        read(lacking, FIVE)
    with pytest.raises(DataError, match=r"'six', '006_1_2' in line 15"):
        read(write(tmp_path / "d", [row(subject="six")]), FIVE)
    write_book(tmp_path / "e" / BOOK, [HEADER, row(), row("006_5_5")])
    touch(tmp_path / "e" / "006" / "006_1_2", [f"006_{n:05d}.jpg" for n in range(5562, 5571)])
    with pytest.raises(
        DataError, match=r"006_5_5: a labelled clip has a folder of frames .* — no such folder"
    ):
        read(tmp_path / "e", FIVE)
