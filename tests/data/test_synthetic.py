"""The generator as a whole: same bytes, real layouts, errors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest

from mersearch.data import casme2, ckplus, labels
from mersearch.data.action_units import parse
from mersearch.data.synthetic import synthesize, synthesize_labels
from mersearch.errors import DataError, Interrupted


def contents(root: Path) -> dict[str, str]:
    """SHA-256 of every file below the root."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def truths(root: Path) -> dict[str, dict[str, object]]:
    lines = (root / "truth" / "clips.jsonl").read_text().splitlines()
    return {record["clip"]: record for record in map(json.loads, lines)}


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize(tmp_path_factory.mktemp("micro"), "casme2", subjects=4, clips=16, seed=3, size=0.5)


@pytest.fixture(scope="module")
def macro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize(tmp_path_factory.mktemp("macro"), "ckplus", subjects=4, clips=9, seed=3, size=0.7)


@pytest.mark.parametrize("layout", ["casme2", "ckplus"])
def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path, layout: str) -> None:
    one, two = (
        synthesize(tmp_path / f"{n}", layout, subjects=2, clips=3, seed=5, size=0.3, workers=n)
        for n in (1, 2)
    )
    assert contents(one) == contents(two)


def test_another_seed_gives_other_people_and_another_layout_too(tmp_path: Path) -> None:
    skins = set()
    for layout, seed in (("casme2", 0), ("casme2", 1), ("ckplus", 0)):
        root = synthesize(tmp_path / f"{layout}{seed}", layout, subjects=2, clips=2, seed=seed, size=0.2)
        people = map(json.loads, (root / "truth" / "subjects.jsonl").read_text().splitlines())
        skins |= {(person["skin"], person["eye_x"]) for person in people}
    assert len(skins) == 6


def test_both_halves_of_mmew_film_the_same_people_and_another_seed_others(tmp_path: Path) -> None:
    people = {}
    for layout, seed in (("mmew", 0), ("mmew_macro", 0), ("mmew_macro", 1)):
        root = synthesize(tmp_path / f"{layout}{seed}", layout, subjects=2, clips=2, seed=seed, size=0.2)
        people[layout, seed] = (root / "truth" / "subjects.jsonl").read_text()
    assert people["mmew", 0] == people["mmew_macro", 0] != people["mmew_macro", 1]


def test_a_still_shows_its_expression_in_full(tmp_path: Path) -> None:
    root = synthesize(tmp_path / "stills", "mmew_macro", subjects=1, clips=6, seed=2, size=0.4)
    for record in truths(root).values():
        assert record["strength"] == [[1.0] * len(record["action_units"])]  # type: ignore[arg-type]
    with np.load(root / "truth" / "motion.npz") as motion:
        assert all(float(np.abs(motion[name]).max()) > 1 for name in motion.files)


@pytest.mark.parametrize(
    ("layout", "release", "frames", "size", "grey"),
    [
        ("samm", "v2", "006/006_?_?/006_0????.jpg", (204, 109), True),
        ("mmew", "subject-first", "Micro_Expression/S01/*/S01-??-???/*.jpg", (192, 108), False),
        ("mmew_macro", "emotion-first", "Macro_Expression/*/S01-??-???.jpg", (192, 108), False),
        ("smic", "cropped", "HS/s1/micro/*/s1_*_??/reg_image??????.bmp", (70, 85), False),
        ("smic", "raw", "HS/s01/micro/*/s1_*_??/image??????.bmp", (160, 120), False),
        ("smic", "long", "SMIC-HS-E/s01/s1_*_??/image??????.jpg", (160, 120), False),
    ],
)
def test_frames_lie_and_look_as_in_the_release(
    tmp_path: Path, layout: str, release: str, frames: str, size: tuple[int, int], grey: bool
) -> None:
    root = synthesize(tmp_path / "out", layout, subjects=1, clips=1, seed=0, size=0.5, release=release)
    found = sorted(root.glob(frames))
    assert len(found) == (1 if layout == "mmew_macro" else truth_length(root))
    picture = cv2.imread(str(found[0]), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert (picture.shape[1], picture.shape[0], picture.ndim == 2) == (*size, grey)


def truth_length(root: Path) -> int:
    """Frames of the only clip; one of a folder per clip is missing, as in the real release."""
    (record,) = truths(root).values()
    length = int(str(record["offset"])) - int(str(record["onset"])) + 1
    return length - (root / "HS").is_dir()


def test_a_formula_is_stored_with_its_value(tmp_path: Path) -> None:
    root = synthesize_labels(tmp_path / "samm", "samm")
    for computed, cell in ((False, "=F15-D15+1"), (True, None)):
        sheet = openpyxl.load_workbook(root / "SAMM_Micro_FACS_Codes_v2.xlsx", data_only=computed)[
            "MICRO_ONLY"
        ]
        subject, _, _, onset, _, offset, duration, *_ = (c.value for c in sheet[15])
        assert sheet["A14"].value == "Subject"
        assert subject == "006"
        assert duration == (cell or offset - onset + 1)


def test_label_files_alone_are_written_of_every_layout_but_ckplus(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CK\+ are not written alone"):
        synthesize_labels(tmp_path / "new", "ckplus")
    with pytest.raises(DataError, match=r"no such release of the layout mmew(?s:.*)emotion-first, subject"):
        synthesize_labels(tmp_path / "new", "mmew", release="v2")
    assert not (tmp_path / "new").exists()
    one, two, three = (
        contents(synthesize_labels(tmp_path / name, "smic", seed=seed))
        for name, seed in (("one", 0), ("two", 0), ("three", 1))
    )
    assert one == two != three


def test_progress_counts_every_clip(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    synthesize(
        tmp_path, "casme2", subjects=2, clips=5, seed=0, size=0.2, progress=lambda d, n: seen.append((d, n))
    )
    assert seen[-1] == (5, 5)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_casme2_has_the_workbook_of_the_real_database(micro: Path) -> None:
    book = openpyxl.load_workbook(micro / "CASME2-coding-20140508.xlsx")
    assert book.sheetnames == ["Sheet1", "Sheet2", "Sheet3"]
    header, *rows = list(book["Sheet1"].iter_rows(values_only=True))
    assert header[:2] == ("Subject", "Filename")
    assert (header[2], header[6]) == (None, None)
    assert header[3:6] == ("OnsetFrame", "ApexFrame", "OffsetFrame")
    assert header[7:] == ("Action Units", "Estimated Emotion")
    assert [book[name].max_row for name in ("Sheet2", "Sheet3")] == [1, 1]
    assert book["Sheet2"]["A1"].value is None
    assert {row[0] for row in rows} == {"01", "02", "03", "04"}
    assert sum(row[4] == "/" for row in rows) == 1
    assert all(type(row[4]) is int for row in rows if row[4] != "/")


def test_casme2_frames_are_numbered_absolutely_and_not_padded(micro: Path) -> None:
    for clip, truth in truths(micro).items():
        subject, name = clip.split("/")
        names = {path.name for path in (micro / "Cropped" / f"sub{subject}" / name).glob("*.jpg")}
        onset, offset = truth["onset"], truth["offset"]
        assert isinstance(onset, int)
        assert isinstance(offset, int)
        assert onset > 1
        assert names == {f"reg_img{number}.jpg" for number in range(onset, offset + 1)}
        assert 25 <= len(names) <= 45


def test_casme2_oddities_can_be_turned_off(micro: Path, tmp_path: Path) -> None:
    assert len(list(micro.rglob("*.lnk"))) == 1
    plain = synthesize(tmp_path, "casme2", subjects=4, clips=4, seed=3, size=0.2, quirks=False)
    assert not list(plain.rglob("*.lnk"))
    rows = openpyxl.load_workbook(plain / "CASME2-coding-20140508.xlsx")["Sheet1"].iter_rows(values_only=True)
    assert not {"/", "?"} & {value for row in rows for value in row}


def test_the_reader_of_casme2_finds_what_the_truth_says(micro: Path) -> None:
    database = casme2.read(micro, labels.label_set("casme2-7"))
    expected = truths(micro)
    assert {clip.clip_id.removeprefix("casme2/") for clip in database.clips} == set(expected)
    for clip in database.clips:
        truth = expected[clip.clip_id.removeprefix("casme2/")]
        first, apex = (int(str(truth[key])) for key in ("onset", "apex"))
        assert clip.emotion == truth["emotion"]
        if clip.clip_id != "casme2/04/EP12_01f":
            assert clip.apex == apex - first
        units = truth["action_units"]
        assert isinstance(units, list)
        assert clip.action_units in (tuple(sorted({unit["number"] for unit in units})), None)


def test_ckplus_writes_emotion_and_units_as_the_real_files_do(macro: Path) -> None:
    codes = dict(
        zip(
            ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"), range(1, 8), strict=True
        )
    )
    for clip, truth in truths(macro).items():
        subject, name = clip.split("/")
        stem = f"{subject}_{name}_{truth['apex']:08d}"
        emotion = macro / "Emotion" / subject / name
        assert emotion.is_dir()
        if truth["emotion"] is None:
            assert not list(emotion.iterdir())
        else:
            text = (emotion / f"{stem}_emotion.txt").read_text()
            assert text == f"   {codes[str(truth['emotion'])]}.0000000e+00\n"
        rows = np.loadtxt(macro / "FACS" / subject / name / f"{stem}_facs.txt", ndmin=2)
        units = truth["action_units"]
        assert isinstance(units, list)
        assert rows[:, 0].tolist() == [unit["number"] for unit in units]
        assert set(rows[:, 1]) <= {0, 1, 2, 3, 4, 5}
        frames = sorted(path.name for path in (macro / "cohn-kanade-images" / subject / name).glob("*.png"))
        assert frames[0] == f"{subject}_{name}_00000001.png"
        assert frames[-1] == f"{stem}.png"
        assert 8 <= len(frames) <= 20


def test_ckplus_labels_about_half_of_its_sequences_and_leaves_litter(macro: Path) -> None:
    database = ckplus.read(macro)
    assert len(database.clips) == round(0.55 * 9)
    assert list(macro.rglob(".DS_Store"))


def test_a_face_detector_finds_the_neutral_faces_of_ckplus(macro: Path) -> None:
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
    found = []
    for path in sorted(macro.glob("cohn-kanade-images/*/*/*_00000001.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        assert picture.shape == (172, 224)
        found.append(len(cascade.detectMultiScale(picture, 1.1, 3, minSize=(45, 45))) > 0)
    assert np.mean(found) >= 0.9


def test_annotated_units_are_those_that_move(micro: Path) -> None:
    rows = openpyxl.load_workbook(micro / "CASME2-coding-20140508.xlsx")["Sheet1"].iter_rows(
        min_row=2, values_only=True
    )
    expected = truths(micro)
    for row in rows:
        units = expected[f"{row[0]}/{row[1]}"]["action_units"]
        assert isinstance(units, list)
        shown = tuple(sorted(unit["number"] for unit in units))
        assert parse(str(row[7])) in (shown, None)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"layout": "sdu"}, "no such layout"),
        ({"release": "2031"}, "no such release of the layout casme2"),
        ({"subjects": 0}, "subjects is at least 1"),
        ({"workers": 0}, "workers is at least 1"),
        ({"clips": 1}, "at least one clip"),
        ({"difficulty": 0.0}, "difficulty lies between"),
        ({"size": 50.0}, "size lies between"),
        ({"habits": -0.1}, "habits lies between 0 and 3"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, change: dict[str, object], rule: str) -> None:
    arguments = {"layout": "casme2", "subjects": 2, "seed": 0, **change}
    with pytest.raises(DataError, match=rule):
        synthesize(tmp_path / "new", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_folder_with_files_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="new or empty folder"):
        synthesize(tmp_path, "casme2", subjects=2, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(Interrupted, match="whole or not at all"):
            synthesize(tmp_path / name, "casme2", subjects=2, clips=2, seed=0, size=0.5, progress=interrupt)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
