"""The readers of both halves of MMEW, on tiny databases with the quirks of the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mersearch.data import mmew, mmew_macro
from mersearch.data.labels import label_set
from mersearch.errors import DataError
from tests.data.books import touch, write_book

FOUR, SEVEN = label_set("mmew-4"), label_set("mmew-7")
BOOK = "MMEW_Micro_Exp.xlsx"
HEADER = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "remarks",
)


def row(
    name: str = "S01-01-001",
    emotion: object = "happiness",
    *,
    onset: object = 1,
    apex: object = 4,
    offset: object = 9,
) -> list[object]:
    return [name[:3], name, onset, apex, offset, "6+12", emotion, None]


def write(
    root: Path, rows: list[list[object]], *, by_subject: bool = False, book: str = BOOK, frames: int = 9
) -> Path:
    write_book(root / book, [HEADER, *rows])
    for _, name, *_, emotion, _ in rows:
        place = Path(str(name)[:3], str(emotion)) if by_subject else Path(str(emotion))
        touch(root / "Micro_Expression" / place / str(name), [f"{n}.jpg" for n in range(1, frames + 1)])
    return root


@pytest.mark.parametrize("by_subject", [False, True])
def test_folders_by_emotion_and_folders_by_subject_are_read_alike(tmp_path, by_subject):
    rows = [row(), row("S02-03-004", "disgust")]
    database = mmew.read(write(tmp_path, rows, by_subject=by_subject), FOUR)
    assert [clip.clip_id for clip in database.clips] == ["mmew/S01/S01-01-001", "mmew/S02/S02-03-004"]
    assert database.subjects == ("mmew/S01", "mmew/S02")
    clip = database.clips[0]
    assert (clip.onset, clip.apex, clip.offset, clip.fps, clip.action_units) == (0, 3, 8, 90.0, (6, 12))
    assert not database.aligned


def test_frames_are_in_the_order_of_their_numbers(tmp_path):
    (clip,) = mmew.read(write(tmp_path, [row(offset=12)], frames=12), FOUR).clips
    assert [path.name for path in clip.frames] == [f"{n}.jpg" for n in range(1, 13)]


@pytest.mark.parametrize("word", ["others", "repression", "Repression"])
def test_class_04_has_two_names(tmp_path, word):
    assert mmew.read(write(tmp_path, [row("S01-04-001", word)]), SEVEN).clips[0].emotion == "others"


def test_the_subject_is_that_of_the_name_of_the_clip(tmp_path):
    wrong = row("S07-01-001")
    wrong[0] = "S01"
    assert mmew.read(write(tmp_path, [wrong]), FOUR).subjects == ("mmew/S07",)
    mangled = row()
    mangled[1] = "clip 1"
    write_book(tmp_path / BOOK, [HEADER, mangled])
    with pytest.raises(DataError, match=r"Filename \(S01-01-001: .*(?s:.*)'clip 1' in line 2"):
        mmew.read(tmp_path, FOUR)


def test_an_apex_or_offset_outside_the_clip_is_repaired_and_named(tmp_path):
    rows = [row(), row("S01-01-002", apex=30), row("S01-01-003", offset=12), row("S01-01-004", apex=None)]
    database = mmew.read(write(tmp_path, rows), FOUR)
    assert [(clip.apex, clip.offset) for clip in database.clips] == [(3, 8), (4, 8), (3, 8), (4, 8)]
    assert {note.clip_id[-3:]: note.reason.split(":")[0] for note in database.repaired} == {
        "002": "the labelled apex lies outside onset…offset",
        "003": "the labelled offset is beyond the last frame",
        "004": "no apex ('')",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"onset": 0}, r"frames 0…9 are on disk"),
        ({"onset": 7, "offset": 5}, r"onset ≤ apex ≤ offset — 7, 4, 5 in line 2"),
        ({"offset": "end"}, r"the offset is a frame number — 'end'"),
        ({"emotion": "joy"}, r"an emotion of mmew is one of: anger, disgust"),
    ],
)
def test_what_cannot_be_repaired_is_an_error(tmp_path, change, told):
    with pytest.raises(DataError, match=rf"S01-01-001: {told}"):
        mmew.read(write(tmp_path, [row(**change)]), FOUR)


def test_a_clip_in_two_folders_is_an_error(tmp_path):
    root = write(tmp_path, [row()])
    touch(root / "Micro_Expression" / "S01" / "happiness" / "S01-01-001", ["1.jpg"])
    with pytest.raises(DataError, match=r"one folder(?s:.*)happiness/S01-01-001 and .*S01/happiness"):
        mmew.read(root, FOUR)


@pytest.mark.parametrize("book", ["MMEW_Micro_Exp (20).xlsx", "mmew_micro_exp_v2.xlsx"])
def test_copies_of_the_workbook_and_a_root_among_the_frames_are_fine(tmp_path, book):
    write(tmp_path, [row()], book=book)
    assert mmew.read(tmp_path, FOUR) == mmew.read(tmp_path / "Micro_Expression", FOUR)


def test_a_root_without_clips_gives_one_error(tmp_path):
    write_book(tmp_path / BOOK, [HEADER, row()])
    with pytest.raises(DataError, match=r"Micro_Expression/happiness/S01-01-001(?s:.*)no folder of a clip"):
        mmew.read(tmp_path, FOUR)


def stills(root: Path, *paths: str) -> Path:
    for path in paths:
        touch((root / "Macro_Expression" / path).parent, [Path(path).name])
    return root


@pytest.mark.parametrize("paths", [("S01/anger/S01-07-001.jpg",), ("anger/S01-07-001.jpg",)])
def test_a_still_is_a_macro_clip_of_one_frame_of_a_person_of_the_micro_half(tmp_path, paths):
    database = mmew_macro.read(stills(tmp_path, *paths))
    (clip,) = database.clips
    assert (clip.clip_id, clip.subject) == ("mmew_macro/S01/S01-07-001", "mmew/S01")
    assert (clip.onset, clip.apex, clip.offset, len(clip.frames), clip.kind) == (0, 0, 0, 1, "macro")
    assert (clip.emotion, clip.action_units, database.aligned) == ("anger", None, False)
    assert mmew_macro.read(tmp_path / "Macro_Expression") == database


def test_stray_files_are_ignored_and_odd_folders_are_not(tmp_path):
    root = stills(tmp_path, "S01/Happy/S01-01-002.JPG", "S01/Happy/Thumbs.db", "S01/Happy/._S01-01-002.jpg")
    assert [clip.emotion for clip in mmew_macro.read(root).clips] == ["happiness"]
    stills(root, "S01/bored/S01-09-001.jpg")
    with pytest.raises(DataError, match=r"mmew_macro/S01-09-001: an emotion of mmew_macro .* — 'bored'"):
        mmew_macro.read(root)


def test_a_still_that_is_there_twice_and_no_still_at_all_are_errors(tmp_path):
    twice = stills(tmp_path / "twice", "S01/anger/S01-07-001.jpg", "anger/S01-07-001.jpg")
    with pytest.raises(DataError, match=r"mmew_macro/S01-07-001: a still is there once"):
        mmew_macro.read(twice)
    with pytest.raises(DataError, match=r"has stills in Macro_Expression/S01(?s:.*)none below"):
        mmew_macro.read(touch(tmp_path / "none", ["notes.txt"]))
