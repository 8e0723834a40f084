"""Preprocessing of synthetic clips against what is true of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mersearch.data.align import LEFT_EYE, RIGHT_EYE, align, whole_frame
from mersearch.data.arrays import clip_arrays
from mersearch.data.haar import find_eyes, find_face
from mersearch.data.images import read_image
from mersearch.data.preprocess import Preprocess
from mersearch.data.readers import read_macro, read_micro
from mersearch.data.synthetic import synthesize


def test_flow_to_the_apex_is_the_true_motion_of_the_action_units(tmp_path: Path) -> None:
    root = synthesize(tmp_path / "db", "casme2", subjects=2, seed=0, clips=6, difficulty=0.5)
    truth = np.load(root / "truth" / "motion.npz")
    settings = Preprocess(frames=1, size=56)
    y, x = (np.mgrid[:56, :56] + 0.5) / 56
    face = ((x - 0.5) / 0.36) ** 2 + ((y - 0.52) / 0.42) ** 2 < 1
    rigid = np.stack([np.ones_like(x), x, y], axis=-1)[face]
    errors = []
    for clip in read_micro("casme2", root, "casme2-7").clips:
        motion = truth[clip.clip_id.split("/", 1)[1]].astype(float)[:, face]
        measured = clip_arrays(clip, settings, "none").flow[:2, 0].astype(float)[:, face] * 3.0 / 127
        # The head moves too, which the truth leaves out: an affine motion that explains the difference best.
        difference = (measured - motion).T
        difference -= rigid @ np.linalg.lstsq(rigid, difference, rcond=None)[0]
        length = np.hypot(*motion)
        moving = length > 0.3 * length.max()
        errors.append(np.hypot(*difference.T)[moving].mean() / length[moving].mean())
    # 1 is the error of predicting no motion, 2 that of the wrong sign; little motion, or a blink, comes
    # close to 1.
    assert np.median(errors) < 0.35
    assert max(errors) < 1


def test_faces_of_macro_clips_are_found_and_their_eyes_brought_to_their_places(tmp_path: Path) -> None:
    root = synthesize(tmp_path / "db", "ckplus", subjects=3, seed=0, clips=6)
    clips = read_macro("ckplus", root).clips
    assert clips
    for clip in clips:
        assert align(read_image(clip.frames[clip.onset], clip.clip_id), "haar").note is None


def test_the_search_finds_the_eyes_of_a_face_crop_where_the_convention_has_them(tmp_path: Path) -> None:
    root = synthesize(tmp_path / "db", "casme2", subjects=3, seed=0, clips=6)
    for clip in read_micro("casme2", root, "casme2-7").clips:
        image = read_image(clip.frames[clip.onset], clip.clip_id)
        grey = image.mean(axis=2).astype(np.uint8)
        face = find_face(grey)
        assert face is not None
        eyes = find_eyes(grey, face)
        assert eyes is not None
        whole = whole_frame(*grey.shape)
        for found, expected in zip(eyes, (LEFT_EYE, RIGHT_EYE), strict=True):
            assert whole @ [*found, 1] == pytest.approx(expected, abs=0.06)
