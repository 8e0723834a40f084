"""Contact sheets: which clips they show, what the pictures are, and that a wrong crop is told."""

from __future__ import annotations

import dataclasses
import shutil
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from mersearch import cli
from mersearch.data.action_units import ACTION_UNITS, regions
from mersearch.data.contact import RULE, TERMS, Sheet, contact_sheet, flow_colours
from mersearch.data.files import ABOUT, image_size
from mersearch.data.given import Given, read_given
from mersearch.data.preprocess import Preprocess
from mersearch.data.readers import MACRO, MICRO
from mersearch.data.synthetic import synthesize
from mersearch.data.table import Clip, FlowMaps, Video
from mersearch.errors import ConfigError, DataError
from mersearch.report.contact_sheet import CELL, DPI, caption, draw, key

SETTINGS = Preprocess(flow_size=64, align="none")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole pictures of three invented people."""
    return synthesize(tmp_path_factory.mktemp("db") / "mmew", "mmew", subjects=3, clips=9, seed=1, size=0.2)


@pytest.fixture(scope="module")
def given(root: Path) -> Given:
    return read_given("mmew", [str(root)])


def sheet_of(given: Given, settings: Preprocess = SETTINGS, clips: int = 2) -> Sheet:
    return contact_sheet(given, settings, clips=clips, progress=lambda *_: None)


def test_a_sheet_has_a_few_clips_of_every_class_and_of_as_many_people_as_there_are(given: Given) -> None:
    sheet = sheet_of(given)
    counts = given.database.counts()
    assert [(name, count) for name, count, _ in sheet.rows] == list(counts.items())
    for name, count, panels in sheet.rows:
        people = {clip.subject for clip in given.database.clips if clip.emotion == name}
        assert len(panels) == min(2, count)
        assert len({panel.clip.subject for panel in panels}) == min(len(people), len(panels))
        assert {panel.clip.emotion for panel in panels} <= {name}
    again = [panel.clip.clip_id for _, _, panels in sheet_of(given).rows for panel in panels]
    assert again == [panel.clip.clip_id for _, _, panels in sheet.rows for panel in panels]


def test_the_outline_is_the_part_of_the_frame_that_becomes_the_crop(given: Given, tmp_path: Path) -> None:
    panel = sheet_of(given).rows[0][2][0]
    height, width = panel.frame.shape[:2]
    expected = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [width, height] - 0.5
    np.testing.assert_allclose(panel.outline, expected, atol=0.51)
    eyes = np.array([[40.0, 30.0], [60.0, 30.0]])
    for clip in given.database.clips:
        file = tmp_path / f"{clip.clip_id}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(file, eyes, delimiter=",")
    marked = dataclasses.replace(SETTINGS, align="landmarks", landmarks=str(tmp_path))
    panel = sheet_of(given, marked).rows[0][2][0]
    shown = width / image_size(panel.clip.frames[0], "")[0]
    side = panel.outline[1] - panel.outline[0]
    assert side[1] == pytest.approx(0, abs=1e-9)
    left, right = (panel.outline[0][0] + share * side[0] for share in (0.3, 0.7))
    assert (left, right) == pytest.approx((40.5 * shown - 0.5, 60.5 * shown - 0.5))


def test_colours_of_the_flow_are_white_where_nothing_moves_and_red_to_the_right() -> None:
    flow = np.zeros((2, 1, 3), np.float32)
    flow[0, 0] = [0, 1, 5]
    assert flow_colours(flow)[0].tolist() == [[255, 255, 255], [255, 0, 0], [255, 0, 0]]
    turned = flow_colours(np.float32([[[0, -1, 0]], [[1, 0, -1]]]))[0]
    assert [np.argmin(colour) for colour in turned] == [2, 0, 1], "down is green-yellow, left cyan, up violet"


def test_regions_are_red_where_the_annotated_units_move_the_skin(given: Given) -> None:
    panels = [panel for _, _, row in sheet_of(given).rows for panel in row]
    panel = next(panel for panel in panels if panel.clip.action_units)
    where = regions(len(panel.apex))[[unit in (panel.clip.action_units or ()) for unit in ACTION_UNITS]].max(
        0
    )
    red = panel.regions[..., 0].astype(int) - panel.regions[..., 1]
    assert red[where > 0.99].min() > 60
    assert red[where < 0.001].max() <= 1


def test_the_apex_is_told_among_the_frames_of_the_clip_also_of_a_video(given: Given, tmp_path: Path) -> None:
    panel = sheet_of(given).rows[0][2][0]
    clip = panel.clip
    video = dataclasses.replace(clip, frames=(), video=Video(tmp_path / "a.avi", 3, len(clip.frames)))
    assert f"apex {clip.apex + 1} of {len(clip.frames)} frames" in caption(panel)
    assert caption(dataclasses.replace(panel, clip=video)) == caption(panel)


def test_a_face_that_was_not_found_is_told_in_its_panel(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mersearch.data.align.find_face", lambda _: None)
    sheet = sheet_of(given, dataclasses.replace(SETTINGS, align="auto"), clips=1)
    assert {panel.note for _, _, panels in sheet.rows for panel in panels} == {
        "no face found on the onset frame, the whole frame is used"
    }
    assert draw(sheet).startswith(b"\x89PNG")


def test_the_picture_is_the_same_every_time_and_wide_enough_to_see_a_face(given: Given) -> None:
    sheet = dataclasses.replace(sheet_of(given), rows=sheet_of(given).rows[:2])
    picture = draw(sheet)
    width, height = struct.unpack(">II", picture[16:24])
    assert 1200 < width < 2400
    assert height > 100 * len(sheet.rows)
    assert draw(sheet) == picture


def test_every_database_has_a_line_on_whose_pictures_these_are(
    root: Path, given: Given, tmp_path: Path
) -> None:
    assert TERMS.keys() == MICRO.keys() | MACRO.keys()
    assert sheet_of(given, clips=1).terms == "mmew: invented people"
    real = shutil.copytree(root, tmp_path / "real")
    (real / ABOUT).unlink()
    sheet = sheet_of(read_given("mmew", [str(real)]), clips=1)
    assert sheet.terms == f"{TERMS['mmew']}. {RULE}"


def test_the_command_writes_one_picture_where_it_is_told_to(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "sheet.png"
    before = sorted(root.rglob("*"))
    words = ["data", "show", "mmew", str(root), "-o", str(target), "--clips", "1", "--align", "none"]
    monkeypatch.setattr(sys, "argv", ["mersearch", *words])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert target.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "drawing the picture…" in said
    assert f"{target}: mmew (synthetic), mmew-4: " in said
    assert sorted(root.rglob("*")) == before


def still(clip: Clip, flow: FlowMaps | None = None) -> Clip:
    return dataclasses.replace(clip, apex=clip.onset, offset=clip.onset, flow=flow)


def with_clips(given: Given, clips: Iterable[Clip]) -> Given:
    return dataclasses.replace(given, database=dataclasses.replace(given.database, clips=tuple(clips)))


def test_clips_of_one_picture_are_shown_without_flow(given: Given) -> None:
    sheet, stills = (
        sheet_of(shown, clips=1) for shown in (given, with_clips(given, map(still, given.database.clips)))
    )
    wide, narrow = (
        struct.unpack(">I", draw(dataclasses.replace(shown, rows=shown.rows[:1]))[16:20])[0]
        for shown in (sheet, stills)
    )
    assert wide - narrow == pytest.approx(2 * CELL * DPI, abs=1), "onset and apex are one, and no flow"
    panel = stills.rows[0][2][0]
    assert "apex" not in caption(panel)
    assert "head" not in caption(panel)


def test_that_there_is_no_flow_is_said_of_the_whole_database_and_of_given_flow_too(given: Given) -> None:
    clips, none = given.database.clips, "so there is no flow"
    assert none not in key(sheet_of(given, clips=1))
    assert none in key(sheet_of(with_clips(given, map(still, clips)), clips=1))

    shown = {panel.clip.clip_id for _, _, row in sheet_of(given, clips=1).rows for panel in row}
    some = (still(clip) if clip.clip_id in shown else clip for clip in clips)
    assert none not in key(sheet_of(with_clips(given, some), clips=1)), "clips that are not shown move"

    maps = FlowMaps((Path("0.png"),), 1, 1, 8, None, None, "line 2 of clips.csv")
    brought = key(sheet_of(with_clips(given, (still(clip, maps) for clip in clips)), clips=1))
    assert none not in brought
    assert "Every clip is one picture. Flow that is given is not shown." in brought


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sheet.jpg", "the picture is a PNG file"),
        ("notes.png/sheet.png", "notes.png must be writable"),
        ("folder.png", "the picture is a file"),
    ],
)
def test_a_place_that_cannot_hold_the_picture_is_told_before_anything_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    target: str,
    said: str,
) -> None:
    (tmp_path / "notes.png").write_text("")
    (tmp_path / "folder.png").mkdir()
    words = ["data", "show", "mmew", str(tmp_path / "nothing"), "-o", str(tmp_path / target)]
    monkeypatch.setattr(sys, "argv", ["mersearch", *words])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert said in capsys.readouterr().err


def test_what_cannot_be_shown_is_told(given: Given, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one clip of a class"):
        sheet_of(given, clips=0)
    with pytest.raises(DataError, match=r"a clip has a landmark file — no "):
        sheet_of(given, dataclasses.replace(SETTINGS, align="landmarks", landmarks=str(tmp_path)))
