"""What happens over a clip: action units rise and fall, the head drifts, lids blink, the light changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mersearch.data.synthetic.geometry import PIXELS, Array
from mersearch.data.synthetic.plan import Camera, ClipPlan


@dataclass(frozen=True, slots=True)
class Course:
    """Time courses of T frames; everything is at rest in frame 0, except for the light.

    Attributes:
        strength: [T, A + B + C] share of the amplitude of each unit, 1 at the apex; of each incidental motion,
            which follows no such course; and of each habitual one, which does.
        pose: [T, 4] head motion in face units (x, y), radians, logarithm of the size.
        lids: [T] 1 open, 0 closed.
        light: [T, 3] relative brightness, and its slope along x and y.
    """

    strength: Array
    pose: Array
    lids: Array
    light: Array


def draw(clip: ClipPlan, camera: Camera, difficulty: float, rng: np.random.Generator) -> Course:
    """The course of one clip; drift, blinks and light grow with `difficulty`."""
    T = clip.length
    columns = [_strength(clip, camera, rng) for _ in clip.units]
    columns += [_unrest(T, rng) for _ in clip.incidental]
    columns += [_strength(clip, camera, rng) for _ in clip.habitual]
    strength = np.stack(columns, axis=1)
    drift = camera.drift * difficulty
    pose = np.zeros((T, 4), dtype=np.float32)
    pose[:, 0] = _wander(T, rng) * drift / PIXELS[0]
    pose[:, 1] = _wander(T, rng) * drift / PIXELS[1]
    pose[:, 2] = _wander(T, rng) * np.radians(0.35) * drift
    pose[:, 3] = _wander(T, rng) * 0.003 * drift
    light = (
        np.stack([_wander(T, rng) * 0.02, _wander(T, rng) * 0.02, _wander(T, rng) * 0.02], axis=1)
        * difficulty
    )
    light[:, 1:] += rng.normal(0.0, 0.03, 2)
    return Course(strength, pose, _lids(clip, camera, difficulty, rng), light.astype(np.float32))


def _strength(clip: ClipPlan, camera: Camera, rng: np.random.Generator) -> Array:
    if camera.kind == "still":
        return np.ones(clip.length, dtype=np.float32)
    t = np.arange(clip.length, dtype=np.float64)
    rise = np.clip(t / max(clip.apex, 1), 0.0, 1.0)
    up = (0.5 - 0.5 * np.cos(np.pi * rise)) ** rng.uniform(0.8, 1.5)
    if camera.kind == "macro":
        return up.astype(np.float32)
    rest = rng.uniform(0.0, 0.15)
    fall = np.clip((t - clip.apex) / max(clip.length - 1 - clip.apex, 1), 0.0, 1.0)
    down = (0.5 + 0.5 * np.cos(np.pi * fall)) ** rng.uniform(0.8, 1.5)
    return np.asarray(np.where(t <= clip.apex, up, rest + (1.0 - rest) * down), dtype=np.float32)


def _unrest(length: int, rng: np.random.Generator) -> Array:
    path = _wander(length, rng)
    return np.asarray(path / max(float(np.abs(path).max()), 1e-6), dtype=np.float32)


def _wander(length: int, rng: np.random.Generator) -> Array:
    t = np.linspace(0.0, 1.0, length)
    slope, bend, sway, phase = rng.normal(), rng.normal(), rng.normal(), rng.uniform(0.0, 2.0 * np.pi)
    path = slope * t + bend * t * (1.0 - t) * 2.0 + 0.4 * sway * (np.sin(4.0 * t + phase) - np.sin(phase))
    return np.asarray(path, dtype=np.float32)


def _lids(clip: ClipPlan, camera: Camera, difficulty: float, rng: np.random.Generator) -> Array:
    lids = np.ones(clip.length, dtype=np.float32)
    chance, start, length = rng.random(), rng.random(), rng.uniform(0.35, 0.6)
    depth = rng.uniform(0.5, 1.0)
    if camera.kind != "micro" or chance > min(0.9, 0.3 * difficulty):
        return lids
    t = (np.arange(clip.length) / clip.length - start * 0.8) / length
    shut = np.where((t > 0.0) & (t < 1.0), np.sin(np.pi * np.clip(t, 0.0, 1.0)) ** 2, 0.0)
    shut[0] = 0.0
    return (1.0 - depth * shut).astype(np.float32)
