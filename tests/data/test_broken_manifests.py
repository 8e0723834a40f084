"""Manifests that are broken in one way each, numbered: one clear error for each, with the line and the column."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from clip_tables import Row, flow_rows, pictures, write_pictures, write_table, write_video

from mersearch import cli

Break = Callable[[Path, list[Row]], "Path | None"]


def cell(line: int, **cells: Any) -> Break:
    """Other cells in a line of the file, which has its header in line 1."""

    def change(root: Path, rows: list[Row]) -> None:
        added = {name: "" for name in cells if name not in rows[0]}
        for row in rows:
            row |= added
        rows[line - 2].update(cells)

    return change


def renamed(old: str, new: str) -> Break:
    def change(root: Path, rows: list[Row]) -> None:
        rows[:] = [{(new if name == old else name): value for name, value in row.items()} for row in rows]

    return change


def without(*columns: str) -> Break:
    def change(root: Path, rows: list[Row]) -> None:
        rows[:] = [{name: value for name, value in row.items() if name not in columns} for row in rows]

    return change


def array(values: Any) -> Break:
    """Another array in the flow of line 3."""

    def change(root: Path, rows: list[Row]) -> None:
        np.save(root / "flow" / "c1.npy", values)

    return change


def content(name: str, data: bytes) -> Break:
    """Other bytes in a file, which line 3 names as its flow."""

    def change(root: Path, rows: list[Row]) -> None:
        (root / name).write_bytes(data)
        rows[1]["flow"] = name

    return change


def picture(image: Any) -> Break:
    return content("flow/c1.png", cv2.imencode(".png", image)[1].tobytes())


def text(written: str, name: str = "manifest.csv") -> Break:
    """A table that is written by hand."""

    def change(root: Path, rows: list[Row]) -> Path:
        (root / name).write_bytes(written.encode("latin-1"))
        return root / name

    return change


def filmed(**cells: Any) -> Break:
    """Folders of pictures 1…12 in the place of the flow, and other cells in line 3."""

    def change(root: Path, rows: list[Row]) -> None:
        for n, row in enumerate(rows):
            write_pictures(root / f"film{n}", pictures(12))
            del row["flow"], row["flow_scale"]
            row |= {"clip_id": f"c{n}", "frames": f"film{n}", "onset": 1, "apex": 5, "offset": 12}
        rows[1].update(cells)

    return change


def then(*changes: Break) -> Break:
    def change(root: Path, rows: list[Row]) -> Path | None:
        found = [one(root, rows) for one in changes]
        return next((path for path in found if path is not None), None)

    return change


def with_video(root: Path, rows: list[Row]) -> None:
    write_video(root / "film.avi", pictures(6))


def torn_video(root: Path, rows: list[Row]) -> None:
    path = write_video(root / "film.avi", pictures(6))
    path.write_bytes(path.read_bytes()[:300])


def parquet(root: Path, rows: list[Row]) -> Path:
    rows[1]["emotion"] = None
    pd.DataFrame(rows).to_parquet(root / "manifest.parquet")
    return root / "manifest.parquet"


def folder_of_two(root: Path, rows: list[Row]) -> Path:
    (root / "manifest.parquet").write_bytes(b"")
    write_table(root / "manifest.csv", rows)
    return root


def deleted(root: Path, rows: list[Row]) -> None:
    (root / "flow" / "c1.npy").unlink()


def folder_without_numbers(root: Path, rows: list[Row]) -> None:
    write_pictures(root / "film", pictures(2))
    for path in sorted((root / "film").iterdir()):
        path.rename(path.with_name("abcdef"[int(path.stem[3:])] + ".png"))


def twelve_bits(root: Path, rows: list[Row]) -> None:
    for path in (root / "film1").iterdir():
        cv2.imwrite(str(path), np.full((24, 32), 4000, np.uint16))


def composed_otherwise(root: Path, rows: list[Row]) -> None:
    (root / "flow").rename(root / "flo\u0308w")
    for row in rows:
        row["flow"] = row["flow"].replace("flow", "fl\u00f6w")


def sheet(root: Path, rows: list[Row]) -> Path:
    pd.DataFrame(rows).to_excel(root / "manifest.xlsx", index=False)
    return root


NAN = np.full((3, 12, 12), np.nan, np.float32)
BROKEN: list[tuple[str, Break, tuple[str, ...]]] = [
    ("unknown column", renamed("emotion", "emotoin"), ("'emotoin' in line 1", "did you mean emotion?")),
    ("missing column", without("subject"), ("manifest.csv without subject", "first line")),
    ("neither frames nor flow", without("flow"), ("without frames or flow",)),
    ("a column twice", renamed("flow_scale", "Flow"), ("flow twice in line 1",)),
    ("empty file", text(""), ("an empty file",)),
    ("a header alone", text("subject,emotion,flow\n"), ("a header and no clips",)),
    (
        "not UTF-8",
        text("subject,emotion,flow\n01,fr\xf6hlich,a.npy\n"),
        ("text in UTF-8", "manifest.csv, line 2: the byte 0xf6 is no UTF-8", "as CSV in UTF-8"),
    ),
    (
        "a cell too many",
        text("subject,emotion,flow\n01,joy,a.npy,4\n"),
        ("4 in line 2", "3 columns", "quotes"),
    ),
    ("an open quote", text('subject,emotion,flow\n01,"joy,a.npy\n'), ("line 2", "close every quote")),
    ("not Parquet", text("subject", "m.parquet"), ("a manifest is a Parquet table",)),
    ("two tables in the folder", folder_of_two, ("manifest.csv and manifest.parquet", "name the file")),
    ("a missing table", lambda root, rows: root / "gone.csv", ("gone.csv does not exist",)),
    ("an empty subject", cell(3, subject=""), ("line 3: column subject is filled in",)),
    ("an empty emotion in Parquet", parquet, ("row 2: column emotion is filled in",)),
    ("a subject that is a path", cell(3, subject="a/b"), ("line 3: columns database, subject and clip_id",)),
    (
        "duplicate ids",
        cell(5, clip_id="c0"),
        ("line 5: column clip_id names each clip once", "'manifest/00/c0'"),
    ),
    ("a clip twice", cell(5, flow="flow/c0.npy"), ("line 2: column clip_id", "line 5:", "in 2 rows")),
    ("unknown kind", cell(3, kind="mikro"), ("'mikro' in line 3", "micro or macro")),
    ("only macro clips", then(*(cell(n, kind="macro") for n in range(2, 8))), ("6 rows, of the other kind",)),
    ("one class only", then(*(cell(n, emotion="joy") for n in range(2, 8))), ("only joy", "two classes")),
    ("no such action unit", cell(3, action_units="brow"), ("line 3: column action_units: ", "'brow'")),
    ("a missing file", deleted, ("line 3: column flow names a folder or a file", "flow/c1.npy")),
    (
        "flow in one row not",
        cell(3, flow=""),
        ("line 3: column flow is filled in for every clip or for none",),
    ),
    (
        "wrong flow shape",
        array(np.zeros((12, 12), "f4")),
        ("line 3: column flow: ", "2 or 3 channels", "[12, 12]"),
    ),
    ("four channels", array(np.zeros((4, 12, 12), "f4")), ("line 3: column flow: ", "[4, 12, 12]")),
    ("no map at all", array(np.zeros((0, 3, 12, 12), "f4")), ("line 3: column flow: ", "[0, 3, 12, 12]")),
    ("wrong flow dtype", array(np.full((3, 12, 12), "1")), ("line 3: column flow: ", "<U1", "float32")),
    ("pickled objects", array(np.full((3, 12, 12), None)), ("line 3: column flow: ", "numpy.save")),
    ("NaN in flow", array(NAN), ("manifest/01/c1 (line 3 of manifest.csv)", "432 that are none")),
    ("infinite flow", array(np.full((3, 12, 12), np.inf)), ("line 3 of manifest.csv", "infinite")),
    (
        "a torn array",
        content("flow/c1.npy", b"\x93NUMPY\x01"),
        ("line 3: column flow: a file of flow is an array",),
    ),
    (
        "a torn picture",
        content("flow/c1.png", b"\x89PNG"),
        ("line 3: column flow: ", "4 bytes that do not decode"),
    ),
    (
        "a grey picture",
        picture(np.zeros((12, 12), np.uint8)),
        ("line 3: column flow: ", "three channels of 8 bits"),
    ),
    ("another file", content("flow/c1.txt", b"1"), ("line 3: column flow names an array", "c1.txt")),
    ("no scale", without("flow_scale"), ("line 2: column flow_scale gives the largest u and v", "6 cannot")),
    (
        "a scale that is none",
        cell(3, flow_scale="0"),
        ("line 3: column flow_scale is a number above 0", "'0'"),
    ),
    ("a decimal comma", cell(3, flow_scale="2,5"), ("line 3: column flow_scale", "with a point")),
    ("a scale of int8", array(np.zeros((3, 12, 12), np.int8)), ("line 3: column flow_scale is empty where",)),
    (
        "apex outside",
        filmed(apex=13),
        ("line 3: columns onset, apex, offset: onset ≤ apex ≤ offset", "1, 13, 12"),
    ),
    ("no number", filmed(onset="first"), ("line 3: column onset is a frame number", "'first'")),
    ("missing frames", filmed(offset=20), ("line 3: columns onset, apex, offset: frames 1…20 are on disk",)),
    ("pictures without numbers", filmed(frames="."), ("line 3: column frames names a folder of pictures",)),
    (
        "no video",
        then(filmed(frames="manifest.csv")),
        ("line 3: column frames names a folder of pictures, or a video",),
    ),
    (
        "unreadable video",
        then(torn_video, filmed(frames="film.avi")),
        ("line 3: column frames: a video can be read",),
    ),
    (
        "beyond the video",
        then(with_video, filmed(frames="film.avi")),
        ("line 3: ", "frames of the video, 1…6", "1…12"),
    ),
    (
        "frame 0 of a video",
        then(with_video, filmed(frames="film.avi", onset=0, offset=6)),
        ("line 3: ", "0…6"),
    ),
    (
        "a path of Windows",
        cell(3, flow="D:\\flow\\c1.npy"),
        ("line 3: column flow names a folder or a file", "D:/flow/c1.npy", "a path of Windows"),
    ),
    (
        "a mistyped path",
        cell(3, flow="flwo/c1.npy"),
        ("line 3: column flow names a folder or a file", "did you mean", "flow/c1.npy?"),
    ),
    ("other code points", composed_otherwise, ("looks the same and has other code points: 'flo\\u0308w'",)),
    ("a zero less", cell(3, subject="1"), ("line 3: column subject writes the name of a person in one way",)),
    ("a person in two cases", then(cell(3, subject="ANN"), cell(6, subject="ann")), ("'manifest/ann'",)),
    (
        "one flow for two people",
        cell(3, flow="flow/c0.npy"),
        ("line 3: column flow names each clip once, and for one person", "manifest/00/c0 in line 2"),
    ),
    (
        "one film for two people",
        filmed(frames="film0", onset=8, apex=9),
        ("line 3: column frames names each clip once, and for one person", "manifest/00/c0 in line 2"),
    ),
    (
        "a clip under two names",
        then(filmed(), cell(5, frames="film0")),
        ("line 5: column frames names each clip once", "manifest/00/c0 in line 2"),
    ),
    (
        "twelve bits in sixteen",
        then(filmed(), twelve_bits),
        ("manifest/01/c1 uses the range of its 16 bits",),
    ),
    (
        "an offset of many digits",
        filmed(offset="9" * 400),
        ("line 3: columns onset, apex, offset: frames 1…999",),
    ),
    (
        "a cell without a title",
        text("subject,emotion,flow,\n01,joy,a.npy,4\n"),
        ("a cell has a title above it", "line 2"),
    ),
    ("a sheet as the table", sheet, ("without manifest.csv; it holds manifest.xlsx", "name the file")),
    (
        "a sheet by name",
        lambda root, rows: sheet(root, rows) / "manifest.xlsx",
        ("a manifest is a CSV or Parquet table", "save its sheet as CSV"),
    ),
]


@pytest.mark.parametrize(
    ("number", "broken", "told"),
    [(n, b, t) for n, (_, b, t) in enumerate(BROKEN, 1)],
    ids=[b[0] for b in BROKEN],
)
def test_a_broken_manifest_gives_one_clear_error(
    number: int,
    broken: Break,
    told: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = flow_rows(tmp_path)
    path = broken(tmp_path, rows)
    path = path or write_table(tmp_path / "manifest.csv", rows)
    monkeypatch.setattr(sys, "argv", ["mersearch", "data", "check", "manifest", str(path)])
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert len(re.findall("^error: ", err, re.MULTILINE)) == 1, err
    message = " ".join(err.split())
    for part in (*told, " received: ", " fix: "):
        assert part in message, f"{number}: {part!r} is not in:\n{err}"


def test_an_unknown_label_and_label_set_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = flow_rows(tmp_path)
    rows[1]["emotion"] = "bored"
    path = write_table(tmp_path / "manifest.csv", rows)
    for labels, part in (
        ("casme2-5", "line 3: column emotion: an emotion of"),
        ("casme", "is one of: derived,"),
    ):
        command = ["mersearch", "data", "check", "manifest", str(path), "--labels", labels]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit, match="2"):
            cli.main()
        assert part in " ".join(capsys.readouterr().err.split())
