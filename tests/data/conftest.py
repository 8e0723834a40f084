"""Tiny databases in the real layouts, written by hand: every quirk is an argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("steady")

HEADER = (
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
)


@dataclass(frozen=True)
class Row:
    """A row of the workbook and its folder of frames."""

    subject: object = "01"
    filename: str = "EP02_01f"
    onset: object = 8
    apex: object = 10
    offset: object = 12
    action_units: object = "4+L10"
    emotion: object = "happiness"
    missing: tuple[int, ...] = ()
    """Frame numbers that are not on disk."""

    def cells(self) -> tuple[object, ...]:
        ends = (self.onset, self.apex, self.offset)
        return (self.subject, self.filename, None, *ends, None, self.action_units, self.emotion)


def write_workbook(
    path: Path, rows: Sequence[Row], *, blanks: bool = True, header: Sequence[str | None] = HEADER
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    kept = [i for i, name in enumerate(header) if blanks or name is not None]
    for cells in (tuple(header), *(row.cells() for row in rows)):
        sheet.append([cells[i] for i in kept])
    for row in sheet.iter_rows(max_col=1):
        row[0].number_format = "@"
    book.create_sheet("Sheet2")
    book.create_sheet("Sheet3")
    book.save(path)


def encoded(width: int, height: int, extension: str) -> bytes:
    return cv2.imencode(extension, np.full((height, width, 3), 128, np.uint8))[1].tobytes()


def write_casme2(
    root: Path,
    rows: Sequence[Row],
    *,
    frames: str = "Cropped",
    prefix: str = "reg_img",
    workbook: str = "CASME2-coding-20140508.xlsx",
    blanks: bool = True,
    size: tuple[int, int] = (28, 34),
) -> Path:
    if workbook:
        write_workbook(root / workbook, rows, blanks=blanks)
    picture = encoded(*size, ".jpg")
    for row in rows:
        folder = root / frames / f"sub{row.subject}" / str(row.filename)
        folder.mkdir(parents=True, exist_ok=True)
        if not (isinstance(row.onset, int) and isinstance(row.offset, int)):
            continue
        for number in range(row.onset, row.offset + 1):
            if number not in row.missing:
                (folder / f"{prefix}{number}.jpg").write_bytes(picture)
    return root


@dataclass(frozen=True)
class Session:
    """A CK+ sequence; `emotion` None leaves its session folder empty, `facs` None leaves the FACS file out."""

    subject: str = "S005"
    session: str = "001"
    frames: int = 11
    emotion: str | None = "   3.0000000e+00\n"
    facs: str | None = "   9.0000000e+00   0.0000000e+00\n   1.7000000e+01   4.0000000e+00\n"
    missing: tuple[int, ...] = ()


def write_ckplus(
    root: Path, sequences: Sequence[Session], *, lower: bool = False, size: tuple[int, int] = (80, 64)
) -> Path:
    picture = encoded(*size, ".png")
    case: Callable[[str], str] = str.lower if lower else str
    for one in sequences:
        stem = case(f"{one.subject}_{one.session}")
        place = Path(case(one.subject)) / one.session
        images, emotion, facs = (
            root / case(name) / place for name in ("cohn-kanade-images", "Emotion", "FACS")
        )
        images.mkdir(parents=True, exist_ok=True)
        emotion.mkdir(parents=True, exist_ok=True)
        for number in range(1, one.frames + 1):
            if number not in one.missing:
                (images / f"{stem}_{number:08d}.png").write_bytes(picture)
        if one.emotion is not None:
            (emotion / f"{stem}_{one.frames:08d}_emotion.txt").write_text(one.emotion)
        if one.facs is not None:
            facs.mkdir(parents=True, exist_ok=True)
            (facs / f"{stem}_{one.frames:08d}_facs.txt").write_text(one.facs)
    return root


class Casme2OnDisk:
    """`row(subject=…)` describes a clip, `write(root, rows, …)` puts a database on disk."""

    row = staticmethod(Row)
    write = staticmethod(write_casme2)
    write_workbook = staticmethod(write_workbook)
    header = HEADER

    @staticmethod
    def many(subjects: Sequence[str], emotions: Sequence[str]) -> list[Row]:
        """One clip per subject and emotion."""
        return [
            replace(Row(), subject=subject, filename=f"EP{i:02d}_01", emotion=emotion)
            for subject in subjects
            for i, emotion in enumerate(emotions)
        ]


class CkplusOnDisk:
    """`sequence(…)` describes one, `write(root, sequences, …)` puts a database on disk."""

    sequence = staticmethod(Session)
    write = staticmethod(write_ckplus)


@pytest.fixture
def casme2_on_disk() -> type[Casme2OnDisk]:
    return Casme2OnDisk


@pytest.fixture
def ckplus_on_disk() -> type[CkplusOnDisk]:
    return CkplusOnDisk
