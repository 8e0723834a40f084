"""Films one clip: warps the painted person, lights it and adds the noise of the sensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.data.synthetic import eyes, mouth
from mersearch.data.synthetic.course import Course
from mersearch.data.synthetic.geometry import PIXELS, Array, smoothstep
from mersearch.data.synthetic.head import Layers
from mersearch.data.synthetic.identity import Identity
from mersearch.data.synthetic.motion import Unit, opening_of, unit_field
from mersearch.data.synthetic.plan import Camera, ClipPlan

Image = NDArray[np.uint8]
_GAP = np.array([0.13, 0.05, 0.05], dtype=np.float32)
_TEETH = np.array([0.80, 0.77, 0.70], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """A person before a camera.

    Attributes:
        person: who it is.
        layers: the painted person.
        units: the action units of the clip.
        x: face coordinate across [H, W] of every pixel.
        y: face coordinate down [H, W].
        box: rows and columns of the picture that hold the face; nothing moves by itself outside.
        fields: displacement at the apex [A, 2, h, w] of every unit, within the box.
    """

    person: Identity
    layers: Layers
    units: tuple[Unit, ...]
    x: Array
    y: Array
    box: tuple[slice, slice]
    fields: Array


def set_up(
    person: Identity, layers: Layers, clip: ClipPlan, camera: Camera, rng: np.random.Generator
) -> Scene:
    """Place the person before the camera and prepare the displacement of every unit."""
    spread, log_zoom = camera.wander
    cx, cy = (middle + spread * rng.uniform(-1.0, 1.0) for middle in camera.centre)
    turn, grow = (
        rng.uniform(-1.0, 1.0) * np.radians(3.0) * (log_zoom > 0),
        np.exp(log_zoom * rng.uniform(-1.0, 1.0)),
    )
    px, py = np.meshgrid(
        np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32)
    )
    x = (px + 0.5 - cx) / (camera.zoom[0] * grow)
    y = (py + 0.5 - cy) / (camera.zoom[1] * grow)
    x, y = _similarity(x.astype(np.float32), y.astype(np.float32), np.array([0.0, 0.0, turn, 0.0]))
    box = _box((np.abs(x) < 1.3) & (y > -1.15) & (y < 2.2))
    fields = [
        unit.amplitude * unit_field(person, unit.number, unit.side, x[box], y[box]) for unit in clip.moving
    ]
    return Scene(person, layers, clip.moving, x, y, box, np.stack(fields))


def film(
    scene: Scene, course: Course, camera: Camera, noise: float, rng: np.random.Generator
) -> Iterator[Image]:
    """The frames, uint8 [H, W, 3] in OpenCV's order of channels, or [H, W] for a grey camera.

    Args:
        scene: who stands where.
        course: what happens.
        camera: size and channels of the picture.
        noise: standard deviation of the sensor noise in grey levels.
        rng: draws the noise.
    """
    shade = _slopes(camera)
    for t in range(len(course.lids)):
        picture = frame(scene, course.strength[t], course.pose[t], float(course.lids[t]))
        lit = 1.0 + np.tensordot(course.light[t], shade, 1)[..., None]
        picture = np.asarray(picture * lit, dtype=np.float32)
        if camera.grey:
            picture = (picture @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
        grain = rng.standard_normal(picture.shape, dtype=np.float32)
        grain = noise * (0.6 + 0.6 * picture) * grain
        levels = np.clip(picture * 255.0 + grain + 0.5, 0.0, 255.0).astype(np.uint8)
        yield np.ascontiguousarray(levels[..., 0] if camera.grey else levels[..., ::-1])


def frame(scene: Scene, strength: Array, pose: Array, lids: float) -> Array:
    """One picture [H, W, 3] in 0…1, before lighting and noise."""
    x, y = _similarity(scene.x, scene.y, pose)
    picture = _look(scene.layers, scene.layers.skin, x, y)
    picture[scene.box] = _face(scene, strength, x[scene.box], y[scene.box], lids)
    return picture


def _face(scene: Scene, strength: Array, x: Array, y: Array, lids: float) -> Array:
    person, softness = scene.person, 0.8 * float(abs(scene.x[0, 1] - scene.x[0, 0]))
    moved = np.tensordot(strength, scene.fields, 1)
    sx, sy = x - moved[0], y - moved[1]
    opening = _opening(scene.units, strength)
    closed, gap = sy, None
    if not opening.closed:
        sy, gap = mouth.raise_back(person, opening, sx, sy)
    skin = _look(scene.layers, scene.layers.skin, sx, sy) * _creases(scene, moved)
    if gap is not None:
        skin = _fill_mouth(person, skin, sx, closed, gap, softness)
    raised = sum(s * u.amplitude for u, s in zip(scene.units, strength, strict=True) if u.number == 5)
    ball, lash = eyes.opening(person, sx, sy, lids, float(raised) / float(PIXELS[1]), softness)
    ball = ball[..., None]
    skin = skin * (1.0 - ball) + _look(scene.layers, scene.layers.eyes, x, y) * ball
    return np.asarray(skin * (1.0 - 0.85 * lash[..., None]), dtype=np.float32)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _opening(units: tuple[Unit, ...], strength: Array) -> mouth.Opening:
    now = [Unit(u.number, u.side, u.amplitude * float(s)) for u, s in zip(units, strength, strict=True)]
    return opening_of(now)


def _similarity(x: Array, y: Array, pose: Array) -> tuple[Array, Array]:
    """Face coordinates after the head moved: the inverse of the motion (about the middle of the face)."""
    cos, sin = np.cos(pose[2]) * np.exp(-pose[3]), np.sin(pose[2]) * np.exp(-pose[3])
    dx, dy = x - pose[0], y - 0.4 - pose[1]
    return (cos * dx + sin * dy).astype(np.float32), (cos * dy - sin * dx + 0.4).astype(np.float32)


def _look(layers: Layers, layer: Array, x: Array, y: Array) -> Array:
    columns, rows = layers.place(x, y)
    seen = cv2.remap(layer, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, dtype=np.float32)


def _creases(scene: Scene, moved: Array) -> Array:
    """Squeezed skin darkens, stretched skin brightens."""
    step_x, step_y = scene.x[0, 1] - scene.x[0, 0], scene.y[1, 0] - scene.y[0, 0]
    spread = np.gradient(moved[0], axis=1) / step_x + np.gradient(moved[1], axis=0) / step_y
    return np.asarray(np.clip(1.0 + 0.35 * spread, 0.7, 1.15), dtype=np.float32)[..., None]


def _fill_mouth(person: Identity, skin: Array, x: Array, y: Array, gap: Array, softness: float) -> Array:
    across = np.asarray(np.abs(x) / person.mouth_width, dtype=np.float32)
    inside = (smoothstep(gap, -softness, softness) * smoothstep(across, 1.0, 0.88))[..., None]
    below_lip = np.asarray(y - mouth.line(person, x), dtype=np.float32)
    teeth = smoothstep(below_lip, 0.06, 0.035) * smoothstep(gap, 0.004, 0.02) * 0.8
    colour = _GAP + (_TEETH - _GAP) * (teeth * smoothstep(np.abs(x), 0.26, 0.12))[..., None]
    return np.asarray(skin * (1.0 - inside) + colour * inside, dtype=np.float32)


def _slopes(camera: Camera) -> Array:
    x = np.linspace(-1.0, 1.0, camera.width, dtype=np.float32)
    y = np.linspace(-1.0, 1.0, camera.height, dtype=np.float32)
    columns, rows = np.meshgrid(x, y)
    return np.stack([np.ones_like(columns), columns, rows]).astype(np.float32)
