"""The CK+ reader, on tiny databases with the quirks of the real one."""

from __future__ import annotations

import pytest

from mersearch.data.ckplus import read
from mersearch.data.ckplus_files import EMOTIONS
from mersearch.data.labels import label_set
from mersearch.errors import DataError


def only(database):
    (clip,) = database.clips
    return clip


def test_a_sequence_runs_from_neutral_to_the_peak(tmp_path, ckplus_on_disk):
    database = read(ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence(frames=11)]))
    clip = only(database)
    assert (clip.clip_id, clip.subject, clip.kind) == ("ckplus/S005/001", "ckplus/S005", "macro")
    assert (clip.onset, clip.apex, clip.offset, len(clip.frames)) == (0, 10, 10, 11)
    assert [int(path.stem[-8:]) for path in clip.frames] == list(range(1, 12))
    assert not database.aligned


@pytest.mark.parametrize("code", range(1, 8))
def test_emotion_numbers_are_named(tmp_path, ckplus_on_disk, code):
    root = ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence(emotion=f"   {code:.7e}\n")])
    assert only(read(root)).emotion == label_set("ckplus-7").classes[code - 1] == EMOTIONS[code]


def test_action_units_come_from_the_facs_file_whatever_their_intensity(tmp_path, ckplus_on_disk):
    clip = only(read(ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence()])))
    assert clip.action_units == (9, 17)


def test_a_sequence_without_a_facs_file_has_no_action_units(tmp_path, ckplus_on_disk):
    sequences = [ckplus_on_disk.sequence(facs=None), ckplus_on_disk.sequence(session="002", facs="")]
    database = read(ckplus_on_disk.write(tmp_path, sequences))
    assert [clip.action_units for clip in database.clips] == [None, ()]


def test_a_database_without_facs_folder_is_read_and_says_so(tmp_path, ckplus_on_disk):
    database = read(ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence(facs=None)]))
    assert only(database).action_units is None
    assert "no FACS folder" in database.repaired[0].reason


def test_an_empty_session_folder_means_unlabelled_not_neutral(tmp_path, ckplus_on_disk):
    sequences = [ckplus_on_disk.sequence(), ckplus_on_disk.sequence(session="002", emotion=None)]
    database = read(ckplus_on_disk.write(tmp_path, sequences))
    assert only(database).clip_id == "ckplus/S005/001"
    assert [(note.clip_id, note.reason) for note in database.dropped] == [
        ("ckplus/S005/002", "no emotion label (empty session folder)")
    ]
    assert database.rows == 2


def test_a_neutral_label_is_dropped_with_its_reason(tmp_path, ckplus_on_disk):
    sequences = [ckplus_on_disk.sequence(), ckplus_on_disk.sequence(session="002", emotion="  0.0e+00")]
    database = read(ckplus_on_disk.write(tmp_path, sequences))
    assert [note.reason for note in database.dropped] == ["labelled neutral"]


@pytest.mark.parametrize("part", ["", "cohn-kanade-images", "Emotion"])
@pytest.mark.parametrize("lower", [False, True])
def test_the_root_may_be_any_of_the_folders_in_either_case(tmp_path, ckplus_on_disk, part, lower):
    root = ckplus_on_disk.write(tmp_path / "set", [ckplus_on_disk.sequence()], lower=lower)
    clip = only(read(root / (part.lower() if lower else part)))
    assert (clip.clip_id, clip.action_units) == ("ckplus/S005/001", (9, 17))


def test_archives_unpacked_into_folders_of_their_own_are_found(tmp_path, ckplus_on_disk):
    root = ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence()])
    (root / "Emotion_labels").mkdir()
    (root / "Emotion").rename(root / "Emotion_labels" / "Emotion")
    assert only(read(root)).emotion == "disgust"


def test_litter_is_ignored(tmp_path, ckplus_on_disk):
    root = ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence()])
    for folder in ("cohn-kanade-images", "Emotion"):
        for place in (root / folder, root / folder / "S005", root / folder / "S005" / "001"):
            (place / ".DS_Store").write_bytes(b"Bud1")
    (root / "Emotion" / "S005" / "001" / "._S005_001_00000011_emotion.txt").write_bytes(b"\x00")
    (root / "cohn-kanade-images" / "S005" / "001" / "Thumbs.db").write_bytes(b"")
    assert len(only(read(root)).frames) == 11


def test_frames_after_the_labelled_peak_are_left_out_and_told(tmp_path, ckplus_on_disk):
    root = ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence(frames=6)])
    folder = root / "cohn-kanade-images" / "S005" / "001"
    (folder / "S005_001_00000007.png").write_bytes((folder / "S005_001_00000006.png").read_bytes())
    database = read(root)
    assert only(database).apex == 5
    assert "after the labelled peak 6" in database.repaired[0].reason


def test_a_missing_frame_is_stood_in_for_and_named(tmp_path, ckplus_on_disk):
    database = read(ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence(frames=20, missing=(7,))]))
    assert len(only(database).frames) == 20
    assert "frame 7 of 1…20 missing" in database.repaired[0].reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emotion": "8.0"}, r"S005/001: an emotion file holds one number: 0 neutral, 1 anger.* — .*'8.0'"),
        ({"emotion": "3.5"}, r"an emotion file holds one number"),
        ({"emotion": ""}, r"an emotion file holds one number"),
        ({"emotion": "happy"}, r"a label file holds numbers — .*emotion.txt"),
        ({"facs": "AU9 1"}, r"a label file holds numbers — .*facs.txt"),
        ({"missing": (11,)}, r"up to the peak that its label file names — peak 11; 10 frames, 1…10"),
        ({"missing": tuple(range(1, 12))}, r"peak 11; 0 frames"),
        ({"missing": (4, 5)}, r"frames 1…11 .* 2 missing: 4, 5"),
        ({"frames": 1}, r"at least two frames"),
    ],
)
def test_a_sequence_that_breaks_a_rule_is_named(tmp_path, ckplus_on_disk, change, message):
    sequences = [ckplus_on_disk.sequence(**change), ckplus_on_disk.sequence(subject="S010")]
    with pytest.raises(DataError, match=message):
        read(ckplus_on_disk.write(tmp_path, sequences))


def test_two_label_files_are_an_error(tmp_path, ckplus_on_disk):
    root = ckplus_on_disk.write(tmp_path, [ckplus_on_disk.sequence()])
    (root / "Emotion" / "S005" / "001" / "S005_001_00000009_emotion.txt").write_text("1.0")
    with pytest.raises(DataError, match="one label file of a kind"):
        read(root)


def test_copies_of_48_by_48_pixels_are_refused_with_the_reason(tmp_path, ckplus_on_disk):
    root = ckplus_on_disk.write(tmp_path / "small", [ckplus_on_disk.sequence()], size=(48, 48))
    with pytest.raises(DataError, match=r"48×48 copies have none.*(?s:.*)frames of 48×48 pixels"):
        read(root)
    for name in ("anger", "surprise"):
        (tmp_path / "folders" / name).mkdir(parents=True)
    with pytest.raises(DataError, match="a folder per emotion"):
        read(tmp_path / "folders")
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "ckextended.csv").write_text("emotion,pixels,Usage\n")
    with pytest.raises(DataError, match="a table of pixels"):
        read(tmp_path / "table")


def test_a_missing_empty_or_wrong_root_gives_one_error(tmp_path, ckplus_on_disk, casme2_on_disk):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is empty"):
        read(tmp_path / "empty")
    casme2_on_disk.write(tmp_path / "casme2", [casme2_on_disk.row()])
    with pytest.raises(DataError, match="it looks like CASME II"):
        read(tmp_path / "casme2")


def test_missing_labels_give_one_error(tmp_path, ckplus_on_disk):
    root = ckplus_on_disk.write(tmp_path / "none", [ckplus_on_disk.sequence(emotion=None)])
    with pytest.raises(DataError, match="has labelled sequences"):
        read(root)
    root = ckplus_on_disk.write(tmp_path / "lost", [ckplus_on_disk.sequence()])
    (root / "Emotion").rename(root / "elsewhere")
    with pytest.raises(DataError, match="no labels in Emotion/"):
        read(root)


def test_the_label_hash_changes_with_a_label_and_not_with_the_root(tmp_path, ckplus_on_disk):
    first = read(ckplus_on_disk.write(tmp_path / "a", [ckplus_on_disk.sequence()])).label_hash
    assert read(ckplus_on_disk.write(tmp_path / "b", [ckplus_on_disk.sequence()])).label_hash == first
    other = ckplus_on_disk.sequence(emotion="4.0")
    assert read(ckplus_on_disk.write(tmp_path / "c", [other])).label_hash != first
