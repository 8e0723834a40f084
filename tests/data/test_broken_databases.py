"""Kinds of broken database, numbered: each gives an error that says where, or a repair that is named.

The whole database is read and preprocessed. Never is there a traceback, and never a clip less without a word. Some
are odd and not broken (no error, no note): nothing of them is lost.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest
from PIL import Image

from mersearch.data.cache import prepare
from mersearch.data.composite import read_composite
from mersearch.data.preprocess import Preprocess
from mersearch.data.readers import MACRO, read_macro, read_micro
from mersearch.data.synthetic import LAYOUTS
from mersearch.data.synthetic.label_files import write_labels
from mersearch.data.synthetic.plan import Order
from mersearch.data.table import Database
from mersearch.errors import MersearchError

SETTINGS = Preprocess(frames=3, size=8, flow_size=16, align="none")
BOOK = "CASME2-coding-20140508.xlsx"
CLIP = Path("Cropped/sub01/EP00_01")
"""The folder of the clip in the second line, frames 8…12 with the apex at 10."""
EMOTIONS = ("happiness", "disgust", "repression", "surprise", "others")
LABELS = {"casme2": "casme2-5", "mmew": "mmew-7", "smic": "smic-3", "samm": "samm-8"}
PARTS = {"composite": ("smic", "samm")}
Break = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound databases; the two that a test writes by hand come with the first test."""
    base = tmp_path_factory.mktemp("whole")
    for name in ("mmew", "smic", "samm"):
        release = LAYOUTS[name].releases[0]
        write_labels(base / name, name, Order(2, 6, 3, 1.0, quirks=False, size=1.0, release=release))
    return base


@pytest.fixture
def sound(whole: Path, casme2_on_disk, ckplus_on_disk) -> Path:
    """A sound copy of each database, not to be touched."""
    if not (whole / "ckplus").exists():
        casme2_on_disk.write(whole / "casme2", casme2_on_disk.many(("01", "02"), EMOTIONS))
        for path in sorted((whole / "casme2").rglob("sub02/**/*.jpg")):
            with Image.open(path) as picture:
                picture.point(lambda level: 255 - level).save(path)  # another person looks different
        one, two = (ckplus_on_disk.sequence(subject=name) for name in ("S005", "S010"))
        ckplus_on_disk.write(whole / "ckplus", [one, two])
    return whole


def read(name: str, root: Path) -> Database:
    if name == "composite":
        return read_composite({part: root / part for part in PARTS[name]}, "megc2019")
    if name in MACRO:
        return read_macro(name, root / name)
    return read_micro(name, root / name, LABELS[name])


def through(name: str, root: Path, settings: Preprocess = SETTINGS) -> tuple[Database, list[str]]:
    """The database after all that happens before training, and everything that was told of it."""
    database = read(name, root)
    found = prepare(database, None, settings, root / "cache", workers=1)
    notes = (*database.dropped, *database.repaired, *found.notes)
    return database, [f"{note.clip_id}: {note.reason}" for note in notes]


def cell(column: str, value: object, line: int = 2) -> Break:
    """Writes one cell of the workbook of CASME II."""

    def change(root: Path) -> None:
        book = openpyxl.load_workbook(root / "casme2" / BOOK)
        sheet = book.worksheets[0]
        header = [str(found.value or "").replace(" ", "") for found in sheet[1]]
        sheet.cell(line, header.index(column) + 1).value = value  # type: ignore[assignment]
        book.save(root / "casme2" / BOOK)

    return change


def column(old: str, new: str | None) -> Break:
    """Renames a column of the workbook."""

    def change(root: Path) -> None:
        book = openpyxl.load_workbook(root / "casme2" / BOOK)
        for found in book.worksheets[0][1]:
            if found.value == old:
                found.value = new
        book.save(root / "casme2" / BOOK)

    return change


def rows(keep: int, repeat: int = 0) -> Break:
    """Keeps the first rows of the workbook, and repeats the first one."""

    def change(root: Path) -> None:
        book = openpyxl.load_workbook(root / "casme2" / BOOK)
        sheet = book.worksheets[0]
        first = [found.value for found in sheet[2]]
        sheet.delete_rows(2 + keep, sheet.max_row)
        for _ in range(repeat):
            sheet.append(first)
        book.save(root / "casme2" / BOOK)

    return change


def frame(number: int) -> Path:
    return Path("casme2") / CLIP / f"reg_img{number}.jpg"


def gone(*paths: Path | str) -> Break:
    def change(root: Path) -> None:
        for path in paths:
            place = root / path
            shutil.rmtree(place) if place.is_dir() else place.unlink()

    return change


def content(path: Path | str, data: bytes | None = None, *, cut: int = 0) -> Break:
    """Replaces the content of a file, or cuts it off; makes its folder."""

    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes((root / path).read_bytes()[:cut] if data is None else data)

    return change


def moved(old: Path | str, new: Path | str, *, copy: bool = False) -> Break:
    def change(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        if copy:
            (shutil.copytree if (root / old).is_dir() else shutil.copy)(root / old, root / new)
        else:
            (root / old).rename(root / new)

    return change


def linked(path: Path | str, target: str) -> Break:
    def change(root: Path) -> None:
        (root / path).unlink()
        (root / path).symlink_to(target)

    return change


def another_size(root: Path) -> None:
    import cv2
    import numpy as np

    cv2.imwrite(str(root / frame(12)), np.zeros((20, 20, 3), np.uint8))


def first(root: Path, pattern: str) -> Path:
    return sorted(root.glob(pattern))[0]


def mmew_clip_twice(root: Path) -> None:
    clip = first(root, "mmew/Micro_Expression/*/S01-*")
    shutil.copytree(clip, clip.parent.parent / "sadness" / clip.name, dirs_exist_ok=True)


def smic_clip_in_two_classes(root: Path) -> None:
    clip = first(root, "smic/HS/*/micro/*/*")
    other = "negative" if clip.parent.name != "negative" else "surprise"
    shutil.copytree(clip, clip.parent.parent / other / clip.name)


def samm_without_frames_of_a_clip(root: Path) -> None:
    shutil.rmtree(first(root, "samm/0*/0*_*"))


def with_landmarks(text: str, line: str = "casme2/01/EP00_01") -> Break:
    return content(f"marks/{line}.csv", text.encode())


@dataclass(frozen=True)
class Case:
    """What is broken, in which database, and what must be told: an error, or a note beside a sound rest."""

    what: str
    change: Break
    error: str = ""
    note: str = ""
    name: str = "casme2"
    beside: tuple[str, ...] = ()
    settings: Preprocess = SETTINGS


def merged(root: Path) -> None:
    book = openpyxl.load_workbook(root / "casme2" / BOOK)
    book.worksheets[0].merge_cells("A2:A6")
    book.save(root / "casme2" / BOOK)


def in_a_folder_of_the_folder(root: Path) -> None:
    for number in range(8, 13):
        moved(frame(number), Path("casme2") / CLIP / "frames" / frame(number).name)(root)


def capitals(root: Path) -> None:
    for number in range(8, 13):
        moved(frame(number), frame(number).with_name(f"REG_IMG{number}.JPG"))(root)
    moved(Path("casme2") / CLIP, Path("casme2/Cropped/sub01/ep00_01"))(root)
    moved("casme2/Cropped", "casme2/CROPPED")(root)


def litter(root: Path) -> None:
    """What macOS and Excel leave."""
    for number in range(8, 13):
        content(frame(number).with_name(f"._{frame(number).name}"), b"\0")(root)
    shutil.copytree(root / "casme2/Cropped", root / "casme2/__MACOSX/Cropped")
    content(f"casme2/~${BOOK}", b"x")(root)
    content(f"casme2/._{BOOK}", b"x")(root)


def elsewhere_by_links(root: Path) -> None:
    """Links to a folder with blanks and letters that are not ASCII, one of them a byte that is no UTF-8."""
    far = root / os.fsdecode("Bjö rn's Däta".encode() + b"\xf6")
    moved("casme2", far)(root)
    (root / "casme2").mkdir()
    for path in far.iterdir():
        (root / "casme2" / path.name).symlink_to(path)
    (root / "casme2/loop").symlink_to(root / "casme2")


def inks(root: Path) -> None:
    """JPEGs of four inks, as printers have them."""
    for number in range(8, 13):
        with Image.open(root / frame(number)) as picture:
            picture.convert("CMYK").save(root / frame(number))


def twelve_bits(root: Path) -> None:
    import cv2
    import numpy as np

    for number in range(8, 13):
        path = root / frame(number)
        cv2.imwrite(str(path.with_suffix(".png")), np.full((34, 28), 4000, np.uint16))
        path.unlink()


MARKS = dataclasses.replace(SETTINGS, align="auto", landmarks="marks")
ONE = r"casme2/01/EP00_01"
CASES: dict[int, Case] = {
    1: Case("no root", gone("casme2"), r"the root of CASME II is a folder(?s:.*)does not exist"),
    2: Case(
        "a file as the root",
        lambda root: (shutil.rmtree(root / "casme2"), (root / "casme2").write_text("x"), None)[2],
        r"the root of CASME II is a folder(?s:.*)is a file",
    ),
    3: Case(
        "an empty root",
        lambda root: (shutil.rmtree(root / "casme2"), (root / "casme2").mkdir(), None)[2],
        r"the root of CASME II is a folder(?s:.*)is empty",
    ),
    4: Case(
        "another database as the root",
        lambda root: (shutil.rmtree(root / "casme2"), shutil.copytree(root / "samm", root / "casme2"), None)[
            2
        ],
        r"it looks like SAMM \(reader samm\)",
        beside=("samm",),
    ),
    5: Case("no label file", gone(f"casme2/{BOOK}"), r"CASME II has a label file CASME2-coding"),
    6: Case("a label file cut off", content(f"casme2/{BOOK}", cut=900), r"CASME2-coding-20140508\.xlsx"),
    7: Case("a label file that is empty", content(f"casme2/{BOOK}", b""), r"CASME2-coding-20140508\.xlsx"),
    8: Case("a column missing", column("OffsetFrame", None), r"(?i)offset"),
    9: Case("a column under another name", column("Estimated Emotion", "Feeling"), r"(?i)estimated ?emotion"),
    10: Case("a label file without rows", rows(0), r"no clip at all in the label set casme2-5"),
    11: Case("a clip with two rows", rows(10, repeat=1), rf"{ONE}: a clip has one row"),
    12: Case(
        "a class that is none", cell("EstimatedEmotion", "bored"), rf"{ONE}: an emotion of casme2 is one of"
    ),
    13: Case("no class", cell("EstimatedEmotion", None), note=rf"{ONE}: no emotion in the label file"),
    14: Case(
        "words as a frame number",
        cell("OnsetFrame", "early"),
        rf"{ONE}: the onset is a frame number — 'early'",
    ),
    15: Case("half a frame", cell("OnsetFrame", 8.5), rf"{ONE}: the onset is a frame number — '8\.5'"),
    16: Case(
        "a formula without its value", cell("OffsetFrame", "=8+4"), rf"{ONE}: the offset is a frame number"
    ),
    17: Case(
        "the onset after the apex",
        cell("OnsetFrame", 11),
        rf"{ONE}: onset ≤ apex ≤ offset — 11, 10, 12 in line 2",
    ),
    18: Case(
        "the apex after the offset", cell("ApexFrame", 9999), rf"{ONE}: onset ≤ apex ≤ offset — 8, 9999, 12"
    ),
    19: Case(
        "no apex", cell("ApexFrame", "/"), note=rf"{ONE}: no apex \('/'\): the middle of onset and offset"
    ),
    20: Case("an offset that is not on disk", cell("OffsetFrame", 40), rf"{ONE}: frames 8…40 are on disk"),
    21: Case(
        "action units that are none", cell("ActionUnits", "smile"), rf"{ONE}: action units are FACS numbers"
    ),
    22: Case("a subject that is no number", cell("Subject", "Ann"), r"(?i)subject(?s:.*)Ann"),
    23: Case("a row without a clip", cell("Filename", None), r"(?i)line 2"),
    24: Case(
        "no folder of a clip", gone(Path("casme2") / CLIP), rf"{ONE}: a labelled clip has a folder of frames"
    ),
    25: Case(
        "an empty folder of a clip",
        gone(*(frame(number) for number in range(8, 13))),
        rf"{ONE}: a labelled clip has a folder of frames (?s:.*)without frames",
    ),
    26: Case("no onset frame", gone(frame(8)), rf"{ONE}: frames 8…12 are on disk(?s:.*)1 missing: 8"),
    27: Case("no apex frame", gone(frame(10)), rf"{ONE}: frames 8…12 are on disk(?s:.*)1 missing: 10"),
    28: Case(
        "too many frames missing", gone(frame(9), frame(11)), rf"{ONE}: frames 8…12(?s:.*)2 missing: 9, 11"
    ),
    29: Case(
        "two files of one frame number",
        moved(frame(9), frame(9).with_name("reg_img009.jpg"), copy=True),
        rf"{ONE}: a clip has one image per frame number",
    ),
    30: Case(
        "names of frames without a number",
        moved(frame(8), frame(8).with_name("reg_img.jpg")),
        rf"{ONE}: frames 8…12 are on disk",
    ),
    31: Case("a frame cut off", content(frame(10), cut=60), rf"Every frame of clip {ONE} is an image"),
    32: Case(
        "an empty frame", content(frame(8), b""), rf"Every frame of clip {ONE} is an image(?s:.*)0 bytes"
    ),
    33: Case(
        "a page of text as a frame", content(frame(12), b"<html>"), rf"Every frame of clip {ONE} is an image"
    ),
    34: Case(
        "a link to nowhere as a frame",
        linked(frame(10), "nowhere"),
        rf"Every frame of clip {ONE} can be read",
    ),
    35: Case("a frame of another size", another_size, rf"All frames of clip {ONE} have one size(?s:.*)20×20"),
    36: Case(
        "frames of which no row tells",
        moved(Path("casme2") / CLIP, Path("casme2/Cropped/sub01/EP99_99"), copy=True),
        note=r"casme2/01/EP99_99: no row in CASME2-coding-20140508\.xlsx",
    ),
    37: Case("a clip in two folders", mmew_clip_twice, r"a clip of MMEW has one folder", name="mmew"),
    38: Case("a clip in two classes", smic_clip_in_two_classes, r"(?i)smic/s\d+/\S+: ", name="smic"),
    39: Case(
        "a label beyond the classes",
        content("ckplus/Emotion/S005/001/S005_001_00000011_emotion.txt", b"   9.0000000e+00\n"),
        r"ckplus/S005/001: ",
        name="ckplus",
    ),
    40: Case(
        "one of several databases broken",
        samm_without_frames_of_a_clip,
        r"samm/\d+/\S+: a labelled clip",
        name="composite",
    ),
    41: Case(
        "landmarks that are none",
        with_landmarks("1;2;3\n"),
        r"a line of a landmark file is a point",
        settings=MARKS,
    ),
    42: Case(
        "landmarks of another picture",
        with_landmarks("300,80\n900,80\n"),
        rf"The landmarks of clip {ONE}",
        settings=MARKS,
    ),
    43: Case(
        "landmarks of one clip only",
        with_landmarks("8,12\n19,12\n"),
        note=r"casme2/02/EP04_01: no landmark file, the whole frame is used",
        settings=MARKS,
    ),
    44: Case(
        "landmarks of no clip",
        with_landmarks("8,12\n19,12\n", "x"),
        r"a landmark file per clip",
        settings=MARKS,
    ),
    45: Case(
        "a clip in two folders that differ in case",
        moved(Path("casme2") / CLIP, "casme2/Cropped/sub01/ep00_01", copy=True),
        r"there once, whatever the case(?s:.*)EP00_01 and \S+/ep00_01",
    ),
    46: Case(
        "a subject in two folders",
        moved("casme2/Cropped/sub01", "casme2/Cropped/sub1", copy=True),
        r"there once(?s:.*)sub01/EP00_01 and \S+/sub1/EP00_01",
    ),
    47: Case(
        "frames in a folder of the folder",
        in_a_folder_of_the_folder,
        rf"{ONE}: a labelled clip has a folder of frames (?s:.*)without frames; it holds frames",
    ),
    48: Case(
        "a label file of another kind",
        moved(f"casme2/{BOOK}", f"casme2/{BOOK[:-4]}csv"),
        r"has a label file(?s:.*)20140508\.csv(?s:.*)save it as an Excel workbook",
    ),
    49: Case("merged cells", merged, r"'', 'EP01_01' in line 3(?s:.*)of merged cells only the first"),
    50: Case(
        "twelve bits in sixteen", twelve_bits, rf"Every frame of clip {ONE} uses the range of its 16 bits"
    ),
    51: Case(
        "an offset of a billion", cell("OffsetFrame", 10**9), r"frames 8…1000000000 (?s:.*)999999988 missing"
    ),
    52: Case("names in capitals", capitals),
    53: Case("litter of macOS and Excel", litter),
    54: Case("links, blanks, umlauts and bytes that are no text in paths", elsewhere_by_links),
    55: Case("pictures of four inks", inks),
}


@pytest.mark.parametrize("number", CASES, ids=lambda number: f"{number:02d} {CASES[number].what}")
def test_what_is_broken_is_an_error_or_a_named_repair(
    number: int, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, root = CASES[number], tmp_path
    monkeypatch.chdir(root)
    for name in {*PARTS.get(case.name, (case.name,)), *case.beside}:
        shutil.copytree(sound / name, root / name)
    before = {clip.clip_id for clip in read(case.name, root).clips}
    case.change(root)
    if case.error:
        with pytest.raises(MersearchError, match=case.error) as caught:
            through(case.name, root, case.settings)
        assert caught.value.exit_code == 2
        assert all(text in str(caught.value) for text in ("received: ", "fix: "))
        return
    database, told = through(case.name, root, case.settings)
    assert any(re.search(case.note, line) for line in told) if case.note else not told, told
    left = {clip.clip_id for clip in database.clips}
    assert all(any(line.startswith(f"{clip}: ") for line in told) for clip in before - left)
    assert (
        len(database.clips) + sum("no row in" not in note.reason for note in database.dropped)
        == database.rows
    )


@pytest.mark.parametrize("name", [*LABELS, "ckplus", "composite"])
def test_the_databases_that_are_broken_here_are_sound_before(name: str, sound: Path) -> None:
    database, _ = through(name, sound)
    assert len(database.clips) + len(database.dropped) == database.rows
    assert all("is not in the label set" in note.reason for note in database.dropped)


def test_there_are_thirty_kinds_and_more() -> None:
    assert len({case.what for case in CASES.values()}) == len(CASES) >= 30
    assert list(CASES) == list(range(1, len(CASES) + 1))
