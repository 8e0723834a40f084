from __future__ import annotations

from pathlib import Path

import pytest

from mersearch.data.frames import positions
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Clip, Kind


def clip(onset: int, apex: int, offset: int, kind: Kind = "micro") -> Clip:
    frames = tuple(Path(f"{number}.png") for number in range(offset + 1))
    return Clip("toy/s/c", "toy", "toy/s", "up", onset, apex, offset, None, 200.0, frames, kind)


def test_micro_positions_divide_onset_to_offset_evenly_and_keep_both_ends() -> None:
    assert positions(clip(0, 7, 14), Preprocess(frames=8)) == (0, 2, 4, 6, 8, 10, 12, 14)
    assert positions(clip(3, 4, 13), Preprocess(frames=3)) == (3, 8, 13)


@pytest.mark.parametrize("frames", [2, 5, 8, 16])
@pytest.mark.parametrize("length", [1, 2, 7, 60])
def test_positions_are_the_nearest_to_the_interpolated_index(frames: int, length: int) -> None:
    onset, offset = 4, 4 + length - 1
    found = positions(clip(onset, onset, offset), Preprocess(frames=frames))
    exact = [onset + t * (offset - onset) / (frames - 1) for t in range(frames)]
    assert found[0] == onset
    assert found[-1] == offset
    assert all(abs(position - index) <= 0.5 for position, index in zip(found, exact, strict=True))
    assert list(found) == sorted(found)


def test_one_frame_is_the_apex() -> None:
    assert positions(clip(2, 5, 9), Preprocess(frames=1)) == (5,)


def test_macro_positions_run_from_the_neutral_start_to_a_share_of_the_way_to_the_peak() -> None:
    sequence = clip(0, 20, 20, "macro")
    assert positions(sequence, Preprocess(frames=5)) == (0, 5, 10, 15, 20)
    assert positions(sequence, Preprocess(frames=5, macro_fraction=0.4)) == (0, 2, 4, 6, 8)
    assert positions(sequence, Preprocess(frames=1, macro_fraction=0.4)) == (8,)


def test_a_tiny_share_of_a_macro_sequence_still_holds_a_motion() -> None:
    assert positions(clip(0, 20, 20, "macro"), Preprocess(frames=2, macro_fraction=0.01)) == (0, 1)
    assert positions(clip(0, 0, 0, "macro"), Preprocess(frames=2, macro_fraction=0.01)) == (0, 0)
