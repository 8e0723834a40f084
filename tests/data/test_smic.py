"""The SMIC-HS reader, on tiny databases with the quirks of the real one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mersearch.data.labels import label_set
from mersearch.data.smic import read
from mersearch.data.synthetic.workbook import Formula
from mersearch.data.synthetic.workbook import write as write_computed
from mersearch.errors import DataError
from tests.data.books import touch, write_book

THREE = label_set("smic-3")
BOOK = "SMIC-HS-E_annotation.xlsx"
HEADER = ("Subject", "Filename", "Emotion", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F")
HEADER += ("FirstF", "LastF", "TotalMF1")


def clip_folder(root: Path, path: str = "s1/micro/negative/s1_ne_01", prefix: str = "reg_image") -> Path:
    return touch(root / "HS" / path, [f"{prefix}{n:06d}.bmp" for n in range(995, 1006)])


@pytest.mark.parametrize("subject", ["s1", "s01"])
@pytest.mark.parametrize(("prefix", "aligned"), [("reg_image", True), ("image", False)])
def test_a_folder_is_a_clip_and_names_its_class(tmp_path, subject, prefix, aligned):
    clip_folder(tmp_path, f"{subject}/micro/negative/s1_ne_01", prefix)
    database = read(tmp_path, THREE)
    (clip,) = database.clips
    assert (clip.clip_id, clip.subject, clip.emotion) == ("smic/s01/s1_ne_01", "smic/s01", "negative")
    assert (clip.onset, clip.apex, clip.offset, clip.fps, clip.action_units) == (0, 5, 10, 100.0, None)
    assert (database.aligned, database.rows) == (aligned, 1)
    assert [note.reason for note in database.repaired] == ["no apex (''): the middle of onset and offset"]


def test_the_root_may_be_above_or_at_the_folder_of_the_subjects(tmp_path):
    clip_folder(tmp_path / "SMIC" / "SMIC_all_cropped")
    assert read(tmp_path / "SMIC", THREE) == read(tmp_path / "SMIC" / "SMIC_all_cropped" / "HS", THREE)


def test_only_micro_expressions_of_the_high_speed_part_are_read(tmp_path):
    clip_folder(tmp_path)
    clip_folder(tmp_path, "s1/non_micro/s1_n1")
    for part in ("VIS", "NIR"):
        touch(tmp_path / part / "s2" / "micro" / "negative" / "s2_ne_01", ["image1.bmp"])
    assert [clip.clip_id for clip in read(tmp_path, THREE).clips] == ["smic/s01/s1_ne_01"]
    with pytest.raises(DataError, match=r"no folder s1, s2, … of the part HS(?s:.*)VIS and NIR are not read"):
        read(tmp_path / "VIS", THREE)


def test_a_missing_frame_is_stood_in_for(tmp_path):
    (clip_folder(tmp_path) / "reg_image000998.bmp").unlink()
    database = read(tmp_path, THREE)
    assert len(database.clips[0].frames) == 11
    assert any("frame 998 of 995…1005 missing" in note.reason for note in database.repaired)


def test_the_clip_that_a_release_lacks_is_left_out_and_named_and_any_other_is_an_error(tmp_path):
    clip_folder(tmp_path)
    touch(tmp_path / "HS" / "s18" / "micro" / "surprise" / "s18_sur_03", ["Thumbs.db"])
    database = read(tmp_path, THREE)
    assert [note.clip_id for note in database.dropped] == ["smic/s18/s18_sur_03"]
    assert len(database.clips) + len(database.dropped) == database.rows == 2
    touch(tmp_path / "HS" / "s18" / "micro" / "surprise" / "s18_sur_04", ["Thumbs.db"])
    with pytest.raises(DataError, match=r"smic/s18/s18_sur_04: a labelled clip has a folder of frames"):
        read(tmp_path, THREE)


def test_an_unknown_class_and_a_clip_in_two_classes_are_errors(tmp_path):
    clip_folder(tmp_path / "a", "s1/micro/neutral/s1_xx_01")
    with pytest.raises(
        DataError, match=r"smic/s01/s1_xx_01: an emotion of smic is one of: negative, positive"
    ):
        read(tmp_path / "a", THREE)
    clip_folder(tmp_path / "b")
    clip_folder(tmp_path / "b", "s1/micro/positive/s1_ne_01")
    with pytest.raises(
        DataError, match=r"(?s)s1_ne_01: a clip has one row — also .*positive.*also .*negative"
    ):
        read(tmp_path / "b", THREE)


def test_the_label_hash_follows_the_names_of_the_folders(tmp_path):
    clip_folder(tmp_path / "a")
    clip_folder(tmp_path / "b", "s01/micro/negative/s1_ne_01", "image")
    clip_folder(tmp_path / "c", "s1/micro/positive/s1_ne_01")
    a, b, c = (read(tmp_path / name, THREE).label_hash for name in "abc")
    assert a == b != c


def row(
    *ends: object, subject: object = 1, name: str = "s1_ne_01", emotion: str = "negative"
) -> list[object]:
    return [subject, name, emotion, *ends, *[None] * (6 - len(ends)), 1, 200, 31]


def long(root: Path, rows: list[list[object]]) -> Path:
    """The long release: 200 frames per sequence."""
    write_book(root / BOOK, [HEADER, *rows])
    for subject, name, *_ in rows:
        number = int(str(subject).lstrip("s"))
        touch(root / "SMIC-HS-E" / f"s{number:02d}" / str(name), [f"image{n:06d}.jpg" for n in range(1, 201)])
    return root


def test_a_row_of_the_long_release_holds_up_to_three_clips(tmp_path):
    rows = [row(10, 40, 60, 80, 100, 121), row(5, 25, subject="s2", name="s2_po_01", emotion="positive")]
    database = read(long(tmp_path, rows), THREE)
    found = {clip.clip_id: (clip.frames[0].stem, len(clip.frames), clip.apex) for clip in database.clips}
    assert found == {
        "smic/s01/s1_ne_01": ("image000010", 31, 15),
        "smic/s01/s1_ne_01-2": ("image000060", 21, 10),
        "smic/s01/s1_ne_01-3": ("image000100", 22, 10),
        "smic/s02/s2_po_01": ("image000005", 21, 10),
    }
    assert (database.rows, database.dropped, database.aligned) == (4, (), False)
    assert database.label_hash == hashlib.sha256((tmp_path / BOOK).read_bytes()).hexdigest()


def test_a_workbook_without_second_and_third_columns_is_read(tmp_path):
    root = long(tmp_path, [row(10, 40)])
    write_book(root / BOOK, [cells[:5] for cells in (HEADER, row(10, 40))])
    assert len(read(root, THREE).clips) == 1


@pytest.mark.parametrize("blank", [None, "-", "/", ""])
def test_blank_second_cells_are_no_clip_and_half_an_interval_is_an_error(tmp_path, blank):
    assert len(read(long(tmp_path / "a", [row(10, 40, blank, blank)]), THREE).clips) == 1
    told = r"s1_ne_01-2: the offset is a frame number — '.?' in line 2 \(onset2f, offset2f\)"
    with pytest.raises(DataError, match=told):
        read(long(tmp_path / "b", [row(10, 40, 60, blank)]), THREE)


def test_a_formula_counts_with_its_stored_value_and_without_one_it_is_an_error(tmp_path):
    root = long(tmp_path, [row(10, 40)])
    write_computed(root / BOOK, {"Sheet1": [HEADER, row(10, Formula("D2+25", 35))]})  # type: ignore[list-item]
    assert len(read(root, THREE).clips[0].frames) == 26
    write_book(root / BOOK, [HEADER, row(10, "=D2+25")])
    with pytest.raises(DataError, match=r"the offset is a frame number — ''(?s:.*)formula counts only with"):
        read(root, THREE)


def test_sequences_without_a_row_and_rows_without_a_sequence_are_told(tmp_path):
    root = long(tmp_path, [row(10, 40)])
    touch(root / "SMIC-HS-E" / "s03" / "s3_ne_03", ["image000001.jpg"])
    assert [(n.clip_id, n.reason) for n in read(root, THREE).dropped] == [
        ("smic/s03/s3_ne_03", f"no row in {BOOK}")
    ]
    write_book(root / BOOK, [HEADER, row(10, 40), row(1, 9, 20, 30, subject=4, name="s4_ne_05")])
    with pytest.raises(DataError, match=r"(?s)2 cannot.*s4_ne_05: .*no such folder.*s4_ne_05-2: "):
        read(root, THREE)
    write_book(root / BOOK, [HEADER, row(10, 40, subject=None)])
    with pytest.raises(DataError, match=r"'', 's1_ne_01' in line 2"):
        read(root, THREE)


def test_clips_are_taken_where_both_releases_are_there(tmp_path):
    long(tmp_path, [row(10, 40)])
    clip_folder(tmp_path)
    assert read(tmp_path, THREE).aligned
