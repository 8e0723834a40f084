"""Which action units a person of a class shows, and how many clips a class has.

The combinations overlap between classes that are easily confused: AU 4 is in 59 of 63 disgust and 67 of 99 others
clips of CASME II, AU 1 in all 7 sadness and 18 surprise clips, AU 12 in 27 happiness and 4 others clips.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from mersearch.data.synthetic.motion import Side

CASME2_COUNTS: dict[str, int] = {
    "others": 99,
    "disgust": 63,
    "happiness": 32,
    "repression": 27,
    "surprise": 25,
    "sadness": 7,
    "fear": 2,
}
"""Clips per class in CASME II."""

CASME2_UNITS: dict[str, dict[str, int]] = {
    "others": {
        "4": 45,
        "4+7": 14,
        "4+L14": 3,
        "4+5": 3,
        "4+17": 2,
        "14": 7,
        "17": 6,
        "12": 4,
        "15": 5,
        "7": 4,
        "2": 6,
    },
    "disgust": {"4": 14, "4+7": 26, "4+9": 8, "4+7+10": 6, "4+L10": 5, "9": 2, "10": 2},
    "happiness": {"12": 12, "6+12": 9, "R12": 3, "12+14": 3, "6": 2, "L14": 2, "7": 1},
    "repression": {"14": 6, "17": 5, "15": 5, "15+17": 4, "R14": 2, "12+15": 3, "4+14": 2},
    "surprise": {"1+2": 12, "R1+R2": 2, "1+2+5": 2, "1+2+25": 2, "2": 4, "5": 2, "L2+26+38": 1},
    "sadness": {"1": 3, "1+4": 2, "1+17": 1, "1+R15": 1},
    "fear": {"1+4+20": 1, "1+2+4": 1},
}
"""Emotion → action-unit cell → weight."""

SAMM_COUNTS: dict[str, int] = {
    "Anger": 57,
    "Happiness": 26,
    "Other": 26,
    "Surprise": 15,
    "Contempt": 12,
    "Disgust": 9,
    "Fear": 8,
    "Sadness": 6,
}
"""Clips per class in SAMM, as its label file writes them."""

MMEW_COUNTS: dict[str, int] = {
    "surprise": 89,
    "disgust": 72,
    "others": 66,
    "happiness": 36,
    "fear": 16,
    "sadness": 13,
    "anger": 8,
}
"""Clips per class in MMEW."""

SMIC_COUNTS: dict[str, int] = {"negative": 70, "positive": 51, "surprise": 43}
"""Clips per class in SMIC-HS."""

MICRO_UNITS: dict[str, dict[str, int]] = {
    **CASME2_UNITS,
    "anger": {"4": 12, "4+7": 10, "7": 8, "4+5": 3, "4+24": 2, "L4": 1},
    "contempt": {"14": 4, "L14": 4, "R14": 3, "R12+R14": 1},
    "other": CASME2_UNITS["others"],
    "negative": {"4": 10, "4+7": 10, "4+9": 3, "1+4": 3, "15": 2, "4+20": 1},
    "positive": {"12": 10, "6+12": 8, "R12": 2},
}
"""Emotion → action-unit cell → weight, for the classes of all micro-expression databases."""

CKPLUS_COUNTS: dict[str, int] = {
    "anger": 45,
    "contempt": 18,
    "disgust": 59,
    "fear": 25,
    "happy": 69,
    "sadness": 28,
    "surprise": 83,
}
"""Labelled sequences per class in CK+; the code of a class in its files is its place here, from 1."""

CKPLUS_UNITS: dict[str, dict[str, int]] = {
    "anger": {"4+5+7+23": 3, "4+7+17+24": 5, "4+7+23+24": 3, "4+17+23": 2},
    "contempt": {"R14": 3, "L14": 3, "14": 2, "R12+R14": 1},
    "disgust": {"9+17": 4, "4+7+9+17": 5, "4+9+10+25": 2, "9+10": 2, "6+9+17": 2},
    "fear": {"1+2+4+5+20+25": 4, "1+4+20+25": 3, "1+2+4+20": 2, "1+4+5+25": 2},
    "happy": {"6+12+25": 7, "12+25": 3, "6+12": 3, "12+25+26": 1},
    "sadness": {"1+4+15+17": 5, "1+4+17": 2, "4+15+17": 2, "1+15": 1},
    "surprise": {"1+2+5+25+27": 6, "1+2+5+25+26": 4, "1+2+25+26": 2, "1+2+5": 1},
}
"""Emotion → action units → weight; the prototypes of the CK+ coding manual and their common variants."""

_WORD = re.compile(r"([LR]?)(\d+)")
_SIDES: dict[str, Side] = {"": "both", "L": "left", "R": "right"}


def sides(cell: str) -> list[tuple[int, Side]]:
    """FACS numbers and sides of a cell such as `4+L10`."""
    return [(int(number), _SIDES[side]) for side, number in _WORD.findall(cell)]


def draw_cell(weights: Mapping[str, int], rng: np.random.Generator) -> str:
    """One of the cells, in proportion to its weight."""
    share = np.array(list(weights.values()), dtype=np.float64)
    return str(rng.choice(list(weights), p=share / share.sum()))
