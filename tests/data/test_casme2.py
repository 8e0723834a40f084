"""The CASME II reader, on tiny databases with the quirks of the real one."""

from __future__ import annotations

import hashlib
import random
import shutil

import openpyxl
import pytest

from mersearch.data.casme2 import read
from mersearch.data.labels import label_set
from mersearch.errors import DataError

FIVE = label_set("casme2-5")


def only(database):
    (clip,) = database.clips
    return clip


@pytest.mark.parametrize(
    ("frames", "prefix", "aligned"),
    [
        ("Cropped", "reg_img", True),
        ("CASME2_RAW_selected", "img", False),
        ("cropped/Cropped", "reg_img", True),
        (".", "img", False),
    ],
)
def test_raw_and_cropped_layouts_are_told_apart_by_the_frame_names(
    tmp_path, casme2_on_disk, frames, prefix, aligned
):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row()], frames=frames, prefix=prefix)
    database = read(root, FIVE)
    assert database.aligned is aligned
    assert [path.name for path in only(database).frames] == [f"{prefix}{n}.jpg" for n in range(8, 13)]


def test_a_clip_carries_what_its_row_says(tmp_path, casme2_on_disk):
    row = casme2_on_disk.row(subject="07", onset=98, apex=101, offset=103, action_units="L2+26+38")
    clip = only(read(casme2_on_disk.write(tmp_path, [row]), FIVE))
    assert (clip.clip_id, clip.subject, clip.emotion) == ("casme2/07/EP02_01f", "casme2/07", "happiness")
    assert (clip.onset, clip.apex, clip.offset, clip.fps, clip.kind) == (0, 3, 5, 200.0, "micro")
    assert clip.action_units == (2, 26, 38)


def test_frames_are_in_the_order_of_their_numbers_not_of_their_names(tmp_path, casme2_on_disk):
    row = casme2_on_disk.row(onset=8, apex=50, offset=112)
    clip = only(read(casme2_on_disk.write(tmp_path, [row]), FIVE))
    numbers = [int(path.stem.removeprefix("reg_img")) for path in clip.frames]
    assert numbers == list(range(8, 113))
    assert numbers[clip.onset] == 8
    assert numbers[clip.apex] == 50
    assert numbers[clip.offset] == 112


@pytest.mark.parametrize(
    "workbook", ["CASME2-coding-20140508.xlsx", "CASME2-coding-updated.xlsx", "casme2-coding-20190701.XLSX"]
)
@pytest.mark.parametrize("blanks", [True, False])
def test_every_release_of_the_workbook_is_read_by_column_name(tmp_path, casme2_on_disk, workbook, blanks):
    rows = [casme2_on_disk.row(subject="09")]
    root = casme2_on_disk.write(tmp_path, rows, workbook=workbook.lower(), blanks=blanks)
    (root / workbook.lower()).rename(root / workbook)
    assert only(read(root, FIVE)).subject == "casme2/09"


def test_columns_may_stand_in_any_order(tmp_path, casme2_on_disk):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    path = root / "CASME2-coding-20140508.xlsx"
    sheet = openpyxl.load_workbook(path).active
    table = [tuple(reversed(cells)) for cells in sheet.iter_rows(values_only=True)]
    book = openpyxl.Workbook()
    for cells in table:
        book.active.append(cells)
    book.save(path)
    assert only(read(root, FIVE)).action_units == (4, 10)


def test_the_release_with_the_published_counts_is_preferred(tmp_path, casme2_on_disk):
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    newer = [casme2_on_disk.row(emotion="surprise")]
    casme2_on_disk.write_workbook(tmp_path / "CASME2-coding-20190701.xlsx", newer)
    assert only(read(tmp_path, FIVE)).emotion == "happiness"


def test_the_root_may_be_the_folder_of_the_frames(tmp_path, casme2_on_disk):
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    assert only(read(tmp_path / "Cropped", FIVE)) == only(read(tmp_path, FIVE))


def test_the_workbook_may_lie_among_the_frames(tmp_path, casme2_on_disk):
    row = casme2_on_disk.row()
    casme2_on_disk.write(tmp_path, [row], workbook="")
    casme2_on_disk.write_workbook(tmp_path / "Cropped" / "CASME2-coding-20140508.xlsx", [row])
    assert only(read(tmp_path, FIVE)).subject == "casme2/01"


def test_cropped_frames_are_taken_where_both_releases_are_there(tmp_path, casme2_on_disk):
    row = casme2_on_disk.row()
    casme2_on_disk.write(tmp_path, [row], frames="CASME2_RAW_selected", prefix="img")
    casme2_on_disk.write(tmp_path, [row])
    assert read(tmp_path, FIVE).aligned
    assert not read(tmp_path / "CASME2_RAW_selected", FIVE).aligned


@pytest.mark.parametrize("subject", ["01", 1, "1", "sub01"])
def test_a_subject_keeps_its_zero_however_the_cell_is_typed(tmp_path, casme2_on_disk, subject):
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    casme2_on_disk.write_workbook(
        tmp_path / "CASME2-coding-20140508.xlsx", [casme2_on_disk.row(subject=subject)]
    )
    assert only(read(tmp_path, FIVE)).subject == "casme2/01"


def test_folders_in_another_case_are_found(tmp_path, casme2_on_disk):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    (root / "Cropped" / "sub01" / "EP02_01f").rename(root / "Cropped" / "sub01" / "ep02_01F")
    (root / "Cropped" / "sub01").rename(root / "Cropped" / "Sub01")
    (root / "Cropped").rename(root / "CROPPED")
    assert len(only(read(root, FIVE)).frames) == 5


def test_stray_files_are_ignored(tmp_path, casme2_on_disk):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    folder = root / "Cropped" / "sub01" / "EP02_01f"
    for name in ("img9.lnk", "._reg_img9.jpg", "Thumbs.db", "reg_img.jpg", "reg_img9.jpg.tmp"):
        (folder / name).write_bytes(b"")
    (root / "Cropped" / "sub01" / "readme.txt").write_text("")
    (root / "Cropped" / ".DS_Store").write_text("")
    (root / "~$CASME2-coding-20140508.xlsx").write_bytes(b"lock")
    assert len(only(read(root, FIVE)).frames) == 5


def test_frames_outside_onset_and_offset_are_left_out(tmp_path, casme2_on_disk):
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row(onset=1, offset=30)])
    casme2_on_disk.write_workbook(tmp_path / "CASME2-coding-20140508.xlsx", [casme2_on_disk.row()])
    assert [path.stem for path in only(read(tmp_path, FIVE)).frames] == [f"reg_img{n}" for n in range(8, 13)]


@pytest.mark.parametrize("apex", ["/", None, "", "?"])
def test_a_missing_apex_becomes_the_middle_and_a_repair(tmp_path, casme2_on_disk, apex):
    rows = [casme2_on_disk.row(subject="04", filename="EP12_01f", onset=10, apex=apex, offset=15)]
    database = read(casme2_on_disk.write(tmp_path, rows), FIVE)
    assert only(database).apex == (10 + 15) // 2 - 10
    (note,) = database.repaired
    assert note.clip_id == "casme2/04/EP12_01f"
    assert "middle of onset and offset" in note.reason


def test_megc2019_drops_the_clips_that_the_protocol_leaves_out(tmp_path, casme2_on_disk):
    rows = [
        casme2_on_disk.row(subject="04", filename="EP12_01f", apex="/", emotion="disgust"),
        casme2_on_disk.row(subject="05", filename="EP09_05f", apex=8, emotion="repression"),
        casme2_on_disk.row(subject="06", emotion="disgust"),
        casme2_on_disk.row(subject="07", emotion="others"),
        casme2_on_disk.row(subject="08", emotion="fear"),
    ]
    database = read(casme2_on_disk.write(tmp_path, rows), label_set("megc2019", "casme2"))
    assert only(database).emotion == "negative"
    assert database.repaired == ()
    reasons = {note.clip_id: note.reason for note in database.dropped}
    assert "apex is missing" in reasons["casme2/04/EP12_01f"]
    assert "apex equals its onset" in reasons["casme2/05/EP09_05f"]
    assert reasons["casme2/07/EP02_01f"] == "others is not in the label set megc2019"
    assert "casme2/08/EP02_01f" in reasons


@pytest.mark.parametrize(("apex", "position"), [(8, 0), (12, 4)])
def test_an_apex_at_the_onset_or_the_offset_is_allowed(tmp_path, casme2_on_disk, apex, position):
    database = read(casme2_on_disk.write(tmp_path, [casme2_on_disk.row(apex=apex)]), FIVE)
    assert only(database).apex == position
    assert database.repaired == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apex": 7}, r"casme2/01/EP02_01f: onset ≤ apex ≤ offset — 8, 7, 12 in line 2"),
        ({"apex": 13}, r"onset ≤ apex ≤ offset — 8, 13, 12"),
        ({"onset": 12, "apex": "/", "offset": 8}, r"onset ≤ apex ≤ offset"),
        ({"apex": "ten"}, r"the apex is a frame number — 'ten' in line 2"),
        ({"onset": "/"}, r"the onset is a frame number — '/'"),
        ({"offset": None}, r"the offset is a frame number — ''"),
        ({"emotion": "joy"}, r"EP02_01f: an emotion of casme2 is one of: disgust, fear, .* — 'joy'"),
        ({"action_units": "4+lips"}, r"EP02_01f: action units are FACS numbers .* — '4\+lips'"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(tmp_path, casme2_on_disk, change, message):
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    casme2_on_disk.write_workbook(tmp_path / "CASME2-coding-20140508.xlsx", [casme2_on_disk.row(**change)])
    with pytest.raises(DataError, match=message):
        read(tmp_path, FIVE)


def test_unknown_action_units_are_none(tmp_path, casme2_on_disk):
    rows = [casme2_on_disk.row(action_units="?"), casme2_on_disk.row(subject="02", action_units=12)]
    assert [clip.action_units for clip in read(casme2_on_disk.write(tmp_path, rows), FIVE).clips] == [
        None,
        (12,),
    ]


def test_a_missing_frame_is_stood_in_for_by_its_neighbour_and_named(tmp_path, casme2_on_disk):
    row = casme2_on_disk.row(onset=1, apex=10, offset=20, missing=(5,))
    database = read(casme2_on_disk.write(tmp_path, [row]), FIVE)
    frames = only(database).frames
    assert len(frames) == 20 - 1 + 1
    assert frames[4].stem == "reg_img4"
    assert "frame 5 of 1…20 missing" in database.repaired[0].reason


@pytest.mark.parametrize("missing", [(8,), (10,), (12,), (9, 11)])
def test_missing_ends_apex_or_many_frames_are_an_error(tmp_path, casme2_on_disk, missing):
    rows = [casme2_on_disk.row(missing=missing)]
    with pytest.raises(DataError, match=rf"EP02_01f: frames 8…12 .* missing: {', '.join(map(str, missing))}"):
        read(casme2_on_disk.write(tmp_path, rows), FIVE)


def test_the_clip_that_the_cropped_release_cuts_short_is_repaired(tmp_path, casme2_on_disk):
    cut = casme2_on_disk.row(
        subject="16", filename="EP01_08", onset=73, apex=94, offset=110, missing=tuple(range(97, 111))
    )
    database = read(casme2_on_disk.write(tmp_path / "cut", [cut]), FIVE)
    assert only(database).offset == 96 - 73
    assert database.repaired[0].clip_id == "casme2/16/EP01_08"
    whole = casme2_on_disk.row(subject="16", filename="EP01_08", onset=73, apex=94, offset=110)
    database = read(casme2_on_disk.write(tmp_path / "whole", [whole]), FIVE)
    assert only(database).offset == 110 - 73
    assert database.repaired == ()


def test_a_folder_without_frames_and_a_missing_folder_are_errors(tmp_path, casme2_on_disk):
    rows = [casme2_on_disk.row(), casme2_on_disk.row(filename="EP03_01")]
    root = casme2_on_disk.write(tmp_path, [rows[0]])
    for frame in (root / "Cropped" / "sub01" / "EP02_01f").iterdir():
        frame.unlink()
    casme2_on_disk.write_workbook(root / "CASME2-coding-20140508.xlsx", rows)
    with pytest.raises(
        DataError, match=r"(?s)2 cannot.*EP02_01f: .*without frames.*EP03_01: .*no such folder"
    ):
        read(root, FIVE)


def test_a_repeated_clip_is_an_error(tmp_path, casme2_on_disk):
    rows = [casme2_on_disk.row(), casme2_on_disk.row(filename="ep02_01F")]
    found = r"(?s)EP02_01f: a clip has one row — also line 3\n.*ep02_01F: a clip has one row — also line 2\n"
    root = casme2_on_disk.write(tmp_path, rows)
    shutil.rmtree(root / "Cropped" / "sub01" / "ep02_01F")
    with pytest.raises(DataError, match=found):
        read(root, FIVE)


def test_ten_clip_errors_are_shown_and_the_rest_counted(tmp_path, casme2_on_disk):
    rows = [casme2_on_disk.row(filename=f"EP{n:02d}_01", missing=(8,)) for n in range(13)]
    with pytest.raises(DataError, match=r"(?s)13 cannot.*EP09_01.*… and 3 more") as raised:
        read(casme2_on_disk.write(tmp_path, rows), FIVE)
    assert str(raised.value).count("casme2/01/EP") == 10


def test_unlabelled_folders_and_rows_are_reported(tmp_path, casme2_on_disk):
    rows = [casme2_on_disk.row(), casme2_on_disk.row(filename="EP05_05", emotion=None)]
    root = casme2_on_disk.write(tmp_path, rows)
    (root / "Cropped" / "sub24" / "EP02_07").mkdir(parents=True)
    database = read(root, FIVE)
    assert {note.clip_id: note.reason for note in database.dropped} == {
        "casme2/01/EP05_05": "no emotion in the label file",
        "casme2/24/EP02_07": "no row in CASME2-coding-20140508.xlsx",
    }
    assert database.rows == 2


def test_blank_rows_are_ignored_and_half_rows_are_not(tmp_path, casme2_on_disk):
    blank = casme2_on_disk.row(*[None] * 7)
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    book = tmp_path / "CASME2-coding-20140508.xlsx"
    casme2_on_disk.write_workbook(book, [casme2_on_disk.row(), blank, blank])
    assert read(tmp_path, FIVE).rows == 1
    casme2_on_disk.write_workbook(book, [casme2_on_disk.row(), casme2_on_disk.row(filename=None)])
    with pytest.raises(DataError, match=r"'01', '' in line 3"):
        read(tmp_path, FIVE)


def test_raw_and_cropped_frames_do_not_mix(tmp_path, casme2_on_disk):
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row(subject="02")], prefix="img")
    casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    rows = [casme2_on_disk.row(), casme2_on_disk.row(subject="02")]
    casme2_on_disk.write_workbook(tmp_path / "CASME2-coding-20140508.xlsx", rows)
    with pytest.raises(DataError, match=r"all raw or all cropped"):
        read(tmp_path, FIVE)


def test_two_files_of_one_frame_number_are_an_error(tmp_path, casme2_on_disk):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    (root / "Cropped" / "sub01" / "EP02_01f" / "reg_img0009.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"one image per frame number — reg_img0009.png and reg_img9.jpg"):
        read(root, FIVE)


def test_a_missing_empty_or_wrong_root_gives_one_error(tmp_path, casme2_on_disk, ckplus_on_disk):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nowhere", FIVE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is empty"):
        read(tmp_path / "empty", FIVE)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        read(tmp_path / "file", FIVE)
    ckplus_on_disk.write(tmp_path / "ck", [ckplus_on_disk.sequence()])
    with pytest.raises(DataError, match=r"has a label file .*(?s:.*)it looks like CK\+"):
        read(tmp_path / "ck", FIVE)


def test_a_missing_unreadable_or_incomplete_label_file_gives_one_error(tmp_path, casme2_on_disk):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row()], workbook="")
    with pytest.raises(DataError, match=r"has a label file CASME2-coding-20140508.xlsx"):
        read(root, FIVE)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    with pytest.raises(DataError, match=rf"none in {tmp_path / 'other'}\n"):
        read(tmp_path / "other", FIVE)
    book = root / "CASME2-coding-20140508.xlsx"
    book.write_bytes(b"not a workbook")
    with pytest.raises(DataError, match="is an Excel workbook"):
        read(root, FIVE)
    header = [name for name in casme2_on_disk.header if name != "ApexFrame"]
    casme2_on_disk.write_workbook(book, [], header=header)
    with pytest.raises(DataError, match="without apexframe"):
        read(root, FIVE)


def test_a_workbook_without_frames_gives_one_error(tmp_path, casme2_on_disk):
    casme2_on_disk.write_workbook(tmp_path / "CASME2-coding-20140508.xlsx", [casme2_on_disk.row()])
    with pytest.raises(DataError, match=r"no folder sub01, sub02"):
        read(tmp_path, FIVE)


def test_a_label_file_that_leaves_no_clip_is_an_error(tmp_path, casme2_on_disk):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row(emotion="fear")])
    with pytest.raises(DataError, match="no clip at all in the label set casme2-5"):
        read(root, FIVE)


def test_labels_match_without_case_and_counts_add_up(tmp_path, casme2_on_disk):
    emotions = ["Happiness", "DISGUST", " repression ", "surprise", "other", "Fear", "sadness"]
    rows = casme2_on_disk.many(["01", "02"], emotions)
    random.Random(0).shuffle(rows)
    database = read(casme2_on_disk.write(tmp_path, rows), FIVE)
    assert database.counts() == dict.fromkeys(FIVE.classes, 2)
    assert len(database.clips) + len(database.dropped) == database.rows == 14
    assert database.subjects == ("casme2/01", "casme2/02")
    assert database.expected == dict(FIVE.expected)


def test_the_label_hash_is_that_of_the_workbook(tmp_path, casme2_on_disk):
    root = casme2_on_disk.write(tmp_path, [casme2_on_disk.row()])
    book = root / "CASME2-coding-20140508.xlsx"
    assert read(root, FIVE).label_hash == hashlib.sha256(book.read_bytes()).hexdigest()
