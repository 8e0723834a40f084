"""The general manifest: what a table becomes."""

from __future__ import annotations

import io
import itertools
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from clip_tables import flow_rows, pictures, write_pictures, write_table, write_video
from hypothesis import given, settings
from hypothesis import strategies as st

from mersearch import cli
from mersearch.data.check import check_given, lines
from mersearch.data.manifest_table import COLUMNS, read_table
from mersearch.data.readers import read_macro, read_micro
from mersearch.data.synthetic import synthesize_manifest
from mersearch.data.synthetic.manifest import Maps
from mersearch.data.table import Database
from mersearch.errors import DataError


def read(root: Path, labels: str = "derived") -> Database:
    return read_micro("manifest", root, labels)


@pytest.fixture
def filmed(tmp_path: Path) -> Path:
    """Two clips as folders of pictures 8…19, without any column that need not be there."""
    rows = []
    for subject, emotion in (("01", "Happiness"), ("02", "disgust")):
        write_pictures(tmp_path / subject / "a", pictures(12), first=8)
        rows.append({"subject": subject, "emotion": emotion, "frames": f"{subject}/a"})
    write_table(tmp_path / "manifest.csv", rows)
    return tmp_path


def test_a_folder_of_pictures_is_a_clip_from_its_first_to_its_last_in_numeric_order(filmed: Path) -> None:
    database = read(filmed)
    first = database.clips[0]
    assert [path.name for path in first.frames] == [f"img{n}.png" for n in range(8, 20)]
    assert (first.onset, first.apex, first.offset) == (0, 5, 11)
    assert (first.clip_id, first.subject, first.emotion) == ("manifest/01/a", "manifest/01", "happiness")
    assert [note.reason for note in database.repaired] == ["no apex (''): the middle of onset and offset"] * 2
    assert (database.classes, database.views, database.aligned) == (
        ("disgust", "happiness"),
        ("rgb", "flow"),
        False,
    )


def test_onset_apex_and_offset_are_numbers_of_the_pictures(filmed: Path) -> None:
    rows = [
        {"subject": s, "emotion": e, "frames": f"{s}/a", "onset": 10, "apex": 13, "offset": "15.0"}
        for s, e in (("01", "happiness"), ("02", "disgust"))
    ]
    clip = read(write_table(filmed / "numbers.csv", rows)).clips[0]
    assert [path.stem for path in (clip.frames[0], clip.frames[clip.apex], clip.frames[-1])] == [
        "img10",
        "img13",
        "img15",
    ]


def test_a_video_is_a_clip_whose_first_frame_is_1(tmp_path: Path) -> None:
    write_video(tmp_path / "all.avi", pictures(16), rate=30.0)
    rows = [
        {
            "subject": s,
            "emotion": e,
            "frames": "all.avi",
            "clip_id": s,
            "onset": a,
            "apex": a + 2,
            "offset": a + 6,
        }
        for s, e, a in (("1", "happiness", 3), ("2", "disgust", 10))
    ]
    clip = read(write_table(tmp_path / "m.csv", rows)).clips[0]
    assert clip.video is not None
    assert (clip.video.first, clip.video.length, clip.fps) == (2, 7, 30.0)
    assert (clip.onset, clip.apex, clip.offset, clip.frames) == (0, 2, 6, ())


def test_a_clip_that_is_only_flow_has_no_frames_and_needs_no_face(tmp_path: Path) -> None:
    database = read(write_table(tmp_path / "m.csv", flow_rows(tmp_path)))
    assert (database.views, database.aligned) == (("flow",), True)
    for clip in database.clips:
        assert clip.flow is not None
        assert (clip.flow.length, clip.flow.apex, clip.flow.side, clip.flow.scale) == (1, 1, 12, 2.0)
        assert not clip.pictured


@pytest.mark.parametrize(("apex", "expected"), [("", 2), ("12", 1), ("15", 3), ("18", 4)])
def test_of_several_maps_the_one_closest_to_the_apex_is_the_apex(
    tmp_path: Path, apex: str, expected: int
) -> None:
    """Frames 10…18 and four maps: map n shows frame 10 + 2n."""
    rows = flow_rows(tmp_path, shape=(4, 3, 12, 12))
    for row in rows:
        row |= {"onset": 10, "apex": apex, "offset": 18}
    found = {clip.flow.apex for clip in read(write_table(tmp_path / "m.csv", rows)).clips if clip.flow}
    assert found == {expected}


def test_several_maps_may_be_files_of_a_folder(tmp_path: Path) -> None:
    rows = flow_rows(tmp_path, shape=(10, 3, 12, 12))
    for n, row in enumerate(rows):
        stacked = np.load(tmp_path / "flow" / f"c{n}.npy")
        (tmp_path / f"c{n}").mkdir()
        for k, single in enumerate(stacked, 1):
            np.save(tmp_path / f"c{n}" / f"map{k}.npy", single)
        row["flow"] = f"c{n}"
    clip = read(write_table(tmp_path / "m.csv", rows)).clips[0]
    assert clip.flow is not None
    assert [path.stem for path in clip.flow.files] == [f"map{k}" for k in range(1, 11)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_separator_and_every_spelling_of_a_title_is_read(tmp_path: Path, separator: str) -> None:
    rows = [
        {
            "Subject": r["subject"],
            "LABEL": r["emotion"],
            "Action Units": "4+L10",
            "FLOW": r["flow"],
            "flow scale": 2,
        }
        | {"_mine": "x"}
        for r in flow_rows(tmp_path)
    ]
    path = write_table(tmp_path / "m.csv", rows, separator)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
    clips = read(path).clips
    assert len(clips) == 6
    assert {clip.action_units for clip in clips} == {(4, 10)}


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    rows = flow_rows(tmp_path, count=7)
    rows[6] |= {"clip_id": "again"}
    frame = pd.DataFrame(rows)
    frame.to_parquet(tmp_path / "m.parquet")
    csv = read(write_table(tmp_path / "m.csv", [{**row, "clip_id": row.get("clip_id", "")} for row in rows]))
    parquet = read(tmp_path / "m.parquet")
    assert [(c.clip_id, c.emotion) for c in parquet.clips] == [(c.clip_id, c.emotion) for c in csv.clips]
    assert read_table(tmp_path / "m.parquet")[0].where == "row 1"


def test_a_label_set_maps_the_classes_and_lists_what_it_drops(tmp_path: Path) -> None:
    rows = flow_rows(tmp_path)
    for n, emotion in enumerate(("Happiness", "disgust", "others", "sadness", "surprise", "contempt")):
        rows[n]["emotion"] = emotion
    database = read(write_table(tmp_path / "m.csv", rows), "megc2019")
    assert database.classes == ("negative", "positive", "surprise")
    assert database.counts() == {"negative": 3, "positive": 1, "surprise": 1}
    assert [(n.clip_id, n.reason) for n in database.dropped] == [
        ("manifest/02/c2", "others is not in the label set megc2019")
    ]


def test_the_label_set_of_a_named_database_is_that_of_the_database(tmp_path: Path) -> None:
    """CASME II drops its sadness from megc2019; SAMM does not."""
    rows = [{**row, "database": "SAMM"} for row in flow_rows(tmp_path)]
    rows[0] |= {"database": "casme2", "emotion": "sadness"}
    rows[1] |= {"emotion": "sadness"}
    database = read(write_table(tmp_path / "m.csv", rows), "megc2019")
    assert [note.clip_id for note in database.dropped] == ["casme2/00/c0"]
    assert "samm/01/c1" in {clip.clip_id for clip in database.clips if clip.emotion == "negative"}


def test_one_table_can_hold_micro_and_macro_clips_of_the_same_people(tmp_path: Path) -> None:
    rows = [
        {**row, "kind": "macro" if n < 2 else "micro"} for n, row in enumerate(flow_rows(tmp_path, count=8))
    ]
    path = write_table(tmp_path / "m.csv", rows)
    micro, macro = read(path), read_macro("manifest", path)
    assert [clip.clip_id for clip in macro.clips] == ["manifest/00/c0", "manifest/01/c1"]
    assert {clip.kind for clip in micro.clips} == {"micro"}
    assert [note.clip_id for note in micro.dropped] == [clip.clip_id for clip in macro.clips]
    assert len(micro.clips) + len(micro.dropped) == micro.rows == 8
    assert set(macro.subjects) <= set(micro.subjects)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: b"\xef\xbb\xbf" + text.replace(",", ";").replace("\n", "\r").encode(),
        lambda text: b"sep=;\r\n" + text.replace(",", ";").replace("\n", "\r\n").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: text.replace("/", "\\").encode(),
        lambda text: text.replace("\n", ",,\n").encode(),
    ],
    ids=["BOM, semicolons, old Mac lines", "sep=;", "UTF-16 with tabs", "backslashes", "empty columns"],
)
def test_a_table_reads_the_same_however_a_program_saved_it(
    filmed: Path, written: Callable[[str], bytes]
) -> None:
    plain = (filmed / "manifest.csv").read_text().replace("\r\n", "\n")
    (filmed / "other.csv").write_bytes(written(plain))
    assert read(filmed / "other.csv").clips == read(filmed).clips


def test_a_table_is_checked_also_where_standard_output_has_no_such_letters(
    filmed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "argv", ["mersearch", "data", "check", "manifest", str(filmed)])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    shown.seek(0)
    assert "32\\xd724 (2 clips)" in shown.read(), "the size in pixels, with the sign that ASCII lacks"


def test_what_macos_leaves_beside_pictures_is_no_picture(filmed: Path) -> None:
    before = read(filmed).clips
    for path in list(filmed.rglob("*.png")):
        path.with_name(f"._{path.name}").write_bytes(b"")
    assert read(filmed).clips == before


def test_a_macro_clip_ends_at_its_peak(filmed: Path) -> None:
    (first, _) = read_macro("manifest", filmed).clips
    assert (first.kind, first.onset, first.apex, first.offset) == ("macro", 0, 11, 11)


def test_the_check_tells_what_was_found(tmp_path: Path) -> None:
    facts = check_given("manifest", [str(write_table(tmp_path / "manifest.csv", flow_rows(tmp_path)))])
    text = lines(facts)
    assert max(map(len, text)) <= 80
    joined = " ".join(" ".join(text).split())
    for fact in (
        "manifest: 6 clips of 3 subjects, 6 annotations read",
        "disgust 3 –",
        "frames none: flow is all there is",
        "given, not computed: 1 map per clip; 12×12 (6 clips)",
    ):
        assert fact in joined


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    subjects=st.integers(2, 6),
    more=st.integers(2, 12),
    maps=st.integers(1, 3),
    drops=st.sets(st.sampled_from(["clip_id", "action_units", "strain_scale"])),
    order=st.randoms(use_true_random=False),
)
def test_any_generated_manifest_reads_back(
    tmp_path_factory, seed, subjects, more, maps, drops, order
) -> None:
    root = tmp_path_factory.mktemp("any") / "out"
    synthesize_manifest(root, subjects=subjects, clips=2 * subjects + more, seed=seed, maps=Maps(maps, 8))
    written = [row.cells for row in read_table(root / "manifest.csv")]
    columns = [name for name in written[0] if name not in drops]
    order.shuffle(columns)
    order.shuffle(written)
    path = write_table(root / "manifest.csv", [{name: row[name] for name in columns} for row in written])
    database = read(path)
    assert len(database.clips) == database.rows == 2 * subjects + more
    assert [clip.clip_id for clip in database.clips] == [
        f"manifest/{row['subject']}/{row['clip_id']}" for row in written
    ]
    assert Counter(clip.emotion for clip in database.clips) == Counter(row["emotion"] for row in written)
    for clip in database.clips:
        assert clip.flow is not None
        assert 0 == clip.onset < clip.apex <= clip.offset == clip.flow.length == maps
        assert clip.subject in database.subjects
        assert (clip.action_units is None) == ("action_units" in drops)
    assert database == read(root)


@settings(max_examples=12)
@given(
    first=st.integers(0, 1200),
    length=st.integers(3, 30),
    padding=st.sampled_from(["d", "05d"]),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    gap=st.booleans(),
)
def test_any_folder_of_pictures_is_read_in_numeric_order(
    tmp_path_factory, first, length, padding, cut, gap
) -> None:
    root = tmp_path_factory.mktemp("any")
    onset, apex, offset = (first + round(share * (length - 1)) for share in sorted(cut))
    missing = {offset - 1} if gap and offset - onset >= 10 and apex != offset - 1 else set()
    for folder, number in itertools.product("12", set(range(first, first + length)) - missing):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / f"reg_img{number:{padding}}.jpg").touch()
    (root / "1" / "Thumbs.db").touch()
    rows = [
        {
            "subject": s,
            "emotion": e,
            "frames": s,
            "clip_id": "a",
            "onset": onset,
            "apex": apex,
            "offset": offset,
        }
        for s, e in (("1", "joy"), ("2", "fear"))
    ]
    database = read(write_table(root / "m.csv", rows))
    for clip in database.clips:
        found = [int(path.stem.removeprefix("reg_img")) for path in clip.frames]
        expected = [n - 1 if n in missing else n for n in range(onset, offset + 1)]
        assert found == expected
        assert found[clip.apex] == apex
        assert (clip.onset, clip.offset) == (0, offset - onset)
    assert len(database.repaired) == 2 * len(missing)


def test_the_full_size_is_that_of_the_published_composite(tmp_path: Path) -> None:
    database = read(synthesize_manifest(tmp_path / "full", subjects=68, maps=Maps(1, 8)))
    assert (len(database.clips), len(database.subjects)) == (442, 68)
    assert database.counts() == {"negative": 250, "positive": 109, "surprise": 83}
    assert {clip.flow and (clip.flow.length, clip.flow.side) for clip in database.clips} == {(1, 8)}


def test_every_column_is_in_the_document() -> None:
    text = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text()
    assert all(f"`{column}`" in text for column in COLUMNS)


def test_a_synthetic_manifest_refuses_arguments_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="subjects is at least 2"):
        synthesize_manifest(tmp_path / "one", subjects=1)
    with pytest.raises(DataError, match="difficulty lies between"):
        synthesize_manifest(tmp_path / "hard", difficulty=20)


@pytest.mark.parametrize("option", [["--labels-only"], ["--habits", "1"], ["--release", "v2"]])
def test_the_command_refuses_options_that_a_manifest_does_not_have(
    option: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["mersearch", "data", "synthesize", str(tmp_path / "out"), "--layout", "manifest", *option]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "a synthetic manifest takes no such option" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
