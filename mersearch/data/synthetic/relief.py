"""The face as a relief, and the light on it."""

from __future__ import annotations

import cv2
import numpy as np

from mersearch.data.synthetic.geometry import Array, bump, smoothstep
from mersearch.data.synthetic.identity import Identity
from mersearch.data.synthetic.mouth import line


def half_width(person: Identity, y: Array) -> Array:
    """Half the width of the head without hair at height `y`, 0 beyond forehead and chin."""
    top, chin = -1.28, person.chin_y
    heights = np.array([top, -1.2, -0.95, -0.5, 0.1, 0.55, 0.92, 1.2, chin - 0.06, chin])
    cheek, jaw, tip = person.cheek_width, person.jaw_width, person.chin_width
    widths = np.array([0.0, 0.42, 0.72, 0.9 * cheek + 0.05, cheek, 0.55 * cheek + 0.45 * jaw + 0.02])
    widths = np.concatenate([widths, [jaw, 0.55 * jaw + 0.45 * tip + 0.02, 0.75 * tip, 0.0]])
    fine = np.linspace(top - 0.1, chin + 0.1, 512)
    squared = np.interp(fine, heights, widths**2, left=0.0, right=0.0)
    kernel = np.hanning(35)
    squared = np.maximum(np.convolve(squared, kernel / kernel.sum(), mode="same") - 0.006, 0.0)
    return np.sqrt(np.interp(y, fine, squared, left=0.0, right=0.0)).astype(np.float32)


def relief(person: Identity, x: Array, y: Array) -> Array:
    """Height [H, W] of the face towards the viewer, in face units."""
    width = np.maximum(half_width(person, y), 1e-3)
    depth = 0.62 * np.sqrt(np.clip(1.0 - (x / (width + 0.03)) ** 2, 0.0, 1.0)) * smoothstep(width, 0.0, 0.75)
    side = np.abs(x)
    depth += _upper_face(person, side, y) + _nose(person, side, y) + _lower_face(person, x, side, y)
    return depth.astype(np.float32)


def light(person: Identity, height: Array, scale: float) -> tuple[Array, Array]:
    """Diffuse light and gloss [H, W] on a relief drawn at `scale` pixels per face unit."""
    soft = cv2.GaussianBlur(height, (0, 0), 0.012 * scale)
    gx = np.gradient(soft, axis=1) * scale
    gy = np.gradient(soft, axis=0) * scale
    norm = np.sqrt(gx**2 + gy**2 + 1.0)
    lx, ly = person.light
    lz = float(np.sqrt(max(0.1, 1.0 - lx**2 - ly**2)))
    facing = (-gx * lx - gy * ly + lz) / norm
    diffuse = 0.50 + 0.52 * np.clip(facing, 0.0, 1.0)
    hollow = cv2.GaussianBlur(soft, (0, 0), 0.09 * scale) - soft
    diffuse *= np.clip(1.0 - 1.6 * hollow, 0.68, 1.1)
    half = np.array([lx, ly, lz + 1.0], dtype=np.float32)
    half /= np.linalg.norm(half)
    gloss = np.clip((-gx * half[0] - gy * half[1] + half[2]) / norm, 0.0, 1.0) ** 40
    return diffuse.astype(np.float32), gloss.astype(np.float32)


def _upper_face(person: Identity, side: Array, y: Array) -> Array:
    eye = person.eye_x
    out = 0.050 * bump(side, y, eye - 0.02, person.brow_y + 0.03, 0.24, 0.08)
    out -= 0.110 * bump(side, y, eye - 0.06, 0.0, 0.20, 0.12)
    out += 0.075 * bump(side, y, eye, 0.01, 0.15, 0.09)
    out += 0.045 * bump(side, y, eye + 0.14, 0.36, 0.22, 0.18)
    out -= 0.012 * (0.4 + person.age) * bump(side, y, eye - 0.04, 0.19, 0.15, 0.03)
    out -= 0.04 * bump(side, y, 0.86, -0.2, 0.12, 0.3)
    for row in (-0.48, -0.60, -0.72):
        wave = row + 0.03 * (side / 0.5) ** 2
        out -= 0.006 * person.age * np.exp(-(((y - wave) / 0.014) ** 2)) * smoothstep(side, 0.55, 0.35)
    return np.asarray(out, dtype=np.float32)


def _nose(person: Identity, side: Array, y: Array) -> Array:
    base, wide = person.nose_y, person.nose_width
    rise = smoothstep(y, -0.22, base - 0.06) * smoothstep(y, base + 0.10, base - 0.10)
    out = 0.23 * rise * np.exp(-0.5 * (side / (0.075 + 0.03 * rise)) ** 2)
    out += 0.07 * bump(side, y, 0.0, base - 0.09, 0.09, 0.075)
    out += 0.075 * bump(side, y, wide * 0.72, base - 0.05, 0.055, 0.06)
    return np.asarray(out * person.nose_relief, dtype=np.float32)


def _lower_face(person: Identity, x: Array, side: Array, y: Array) -> Array:
    mouth, wide = person.mouth_y, person.mouth_width
    start = np.array([person.nose_width + 0.05, person.nose_y - 0.08])
    t = np.clip((y - start[1]) / (mouth + 0.06 - start[1]), 0.0, 1.0)
    fold = start[0] + (wide + 0.10 - start[0]) * t**0.8
    ends = smoothstep(y, start[1] - 0.05, start[1] + 0.08) * smoothstep(y, mouth + 0.12, mouth - 0.04)
    out = -(0.012 + 0.022 * person.age) * np.exp(-(((side - fold) / 0.035) ** 2)) * ends
    out += 0.05 * bump(side, y, 0.0, mouth, 0.34, 0.20)
    lips = np.clip(1.0 - (side / wide) ** 2, 0.0, 1.0)
    out += 0.035 * lips * np.exp(-(((y - mouth + 0.5 * person.upper_lip) / (0.6 * person.upper_lip)) ** 2))
    out += 0.055 * lips * np.exp(-(((y - mouth - 0.55 * person.lower_lip) / (0.6 * person.lower_lip)) ** 2))
    out -= 0.022 * np.sqrt(lips) * np.exp(-(((y - line(person, x)) / 0.016) ** 2))
    out -= 0.012 * bump(side, y, 0.0, person.nose_y + 0.11, 0.03, 0.07)
    out -= 0.030 * bump(side, y, 0.0, mouth + person.lower_lip + 0.09, 0.18, 0.05)
    out += 0.055 * bump(side, y, 0.0, person.chin_y - 0.16, 0.17, 0.13)
    return np.asarray(out, dtype=np.float32)
