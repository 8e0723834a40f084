"""Action units move the right part of the face by the right amount, and the film shows it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mersearch.data.action_units import ACTION_UNITS, regions
from mersearch.data.flow import optical_flow
from mersearch.data.synthetic import course, head, identity, mouth, render, synthesize
from mersearch.data.synthetic.casme2 import camera
from mersearch.data.synthetic.geometry import PIXELS, grid
from mersearch.data.synthetic.motion import PUSHES, Unit, expression, forward, opening_of
from mersearch.data.synthetic.plan import ClipPlan

PERSON = identity.draw("casme2", "01", 0)
WARPS = sorted(number for number, pushes in PUSHES.items() if pushes)


def clip_of(*units: Unit, incidental: tuple[Unit, ...] = ()) -> ClipPlan:
    return ClipPlan("01", "EP01_01", "others", units, incidental, 50, 31, 14, "{}.jpg")


def length(field: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.hypot(field[0], field[1]), dtype=np.float32)


@pytest.mark.parametrize("number", WARPS)
def test_the_largest_displacement_is_the_amplitude(number: int) -> None:
    field = expression(PERSON, (Unit(number, "both", 1.7),), *grid(200, 200)) * PIXELS[:, None, None]
    assert length(field).max() == pytest.approx(1.7, rel=0.05)


@pytest.mark.parametrize("number", [n for n in ACTION_UNITS if n in WARPS])
def test_motion_lies_where_the_fixed_map_of_regions_says(number: int) -> None:
    moved = length(forward(PERSON, (Unit(number, "both", 1.0),), 56))
    region = cv2.resize(regions(14)[ACTION_UNITS.index(number)], (56, 56), interpolation=cv2.INTER_LINEAR)
    inside = float((moved * region).sum() / region.sum())
    everywhere = float(moved.mean())
    assert inside > 2.0 * everywhere


@pytest.mark.parametrize(("side", "sign"), [("left", 1), ("right", -1)])
def test_a_one_sided_unit_moves_that_half_of_the_subject(side: str, sign: int) -> None:
    moved = length(forward(PERSON, (Unit(12, side, 1.0),), 56))  # type: ignore[arg-type]
    halves = moved[:, :28].sum(), moved[:, 28:].sum()
    assert sign * (halves[1] - halves[0]) > 0.8 * sum(halves)


def test_the_true_field_undoes_the_backward_warp() -> None:
    units = (Unit(12, "both", 6.0), Unit(4, "both", 4.0))
    x, y = grid(56, 56)
    field = forward(PERSON, units, 56) / PIXELS[:, None, None]
    back = expression(PERSON, units, x + field[0], y + field[1])
    np.testing.assert_allclose(field, back, atol=2e-3)


def test_an_opened_mouth_is_the_inverse_of_what_it_shows() -> None:
    opening = opening_of((Unit(25, "both", 4.0), Unit(26, "both", 7.0)))
    x, y = grid(101, 101)
    down = mouth.lower(PERSON, opening, x, y)
    source, gap = mouth.raise_back(PERSON, opening, x, y + down)
    away = np.abs(y - mouth.line(PERSON, x)) > 0.01
    np.testing.assert_allclose(source[away], y[away], atol=5e-3)
    assert (gap[away] <= 0.02).all()


def test_a_micro_course_starts_at_rest_peaks_at_the_apex_and_comes_back() -> None:
    clip = clip_of(Unit(4, "both", 1.0), Unit(12, "left", 0.7))
    for seed in range(5):
        path = course.draw(clip, camera(1.0), 1.0, np.random.default_rng(seed))
        assert (path.strength[0] == 0).all()
        assert (path.strength.argmax(axis=0) == clip.apex).all()
        assert path.strength[clip.apex] == pytest.approx(1.0)
        assert (path.strength[-1] <= 0.15 + 1e-6).all()
        assert (np.diff(path.strength[: clip.apex + 1], axis=0) >= 0).all()
        assert (np.diff(path.strength[clip.apex :], axis=0) <= 0).all()
        assert (path.pose[0] == 0).all()
        assert path.lids[0] == 1


@pytest.mark.parametrize("number", [1, 4, 12, 17])
def test_flow_between_onset_and_apex_shows_the_true_motion(number: int) -> None:
    clip = clip_of(Unit(number, "both", 2.0))
    still = course.Course(
        strength=np.array([[0.0], [1.0]], np.float32),
        pose=np.zeros((2, 4), np.float32),
        lids=np.ones(2, np.float32),
        light=np.zeros((2, 3), np.float32),
    )
    film = camera(1.0)
    layers = head.paint(PERSON, 2.0 * max(film.zoom), film.area)
    centred = np.random.default_rng(0)
    scene = render.set_up(PERSON, layers, clip, film, centred)
    pictures = list(render.film(scene, still, film, 0.5, centred))
    grey = [
        np.asarray(cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (128, 128)), dtype=np.uint8)
        for picture in pictures
    ]
    seen = np.stack([cv2.resize(part, (56, 56)) for part in optical_flow(grey[0], grey[1])])
    true = forward(PERSON, clip.units, 56)
    cosine = float((seen * true).sum() / np.sqrt((seen**2).sum() * (true**2).sum()))
    assert cosine > 0.7
    moving = length(true) > 1.0
    assert length(seen)[moving].mean() > 4 * length(seen)[length(true) < 0.05].mean()


def test_the_stored_field_is_that_of_the_stored_units(tmp_path: Path) -> None:
    root = synthesize(tmp_path, "casme2", subjects=1, clips=3, seed=2, size=0.2)
    person = identity.draw("casme2", "01", 2)
    with np.load(root / "truth" / "motion.npz") as fields:
        for line in (root / "truth" / "clips.jsonl").read_text().splitlines():
            record = json.loads(line)
            units = tuple(Unit(**unit) for unit in record["action_units"])
            stored = fields[record["clip"]]
            assert (stored.shape, stored.dtype) == ((2, 56, 56), np.float16)
            np.testing.assert_allclose(stored, forward(person, units, 56), atol=2e-3)


def test_a_blink_hides_the_eyeball_and_nothing_else() -> None:
    film = camera(1.0)
    layers = head.paint(PERSON, 2.0 * max(film.zoom), film.area)
    scene = render.set_up(PERSON, layers, clip_of(Unit(4, "both", 1.0)), film, np.random.default_rng(0))
    rest, pose = np.zeros(1, np.float32), np.zeros(4, np.float32)
    change = np.abs(render.frame(scene, rest, pose, 1.0) - render.frame(scene, rest, pose, 0.0)).max(axis=2)
    near = (np.abs(np.abs(scene.x) - PERSON.eye_x) < 0.26) & (np.abs(scene.y) < 0.16)
    assert change[near].max() > 0.2
    assert change[~near].max() < 0.02
