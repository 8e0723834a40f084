"""Hard types after Plutchik's wheel: data.

`HARD_TYPES` lists, for every class of the known label sets and of CK+, the other classes in the order in which
they are taken for hard types: the first one that the data have is used. The primary emotions follow their distance
in steps round the wheel, contempt (the dyad of anger and disgust) standing halfway between the two and one step
outside the ring. Among equals the one that shares action units comes first. What the wheel does not settle is our
choice:

- joy's neighbours (trust, anticipation) are in no database: happiness → others, then sadness, its opposite;
- repression and others are not on the wheel: they come last in the lists of the primary emotions, and
  others → disgust, happiness (AU4 and AU12); repression → others, happiness (a suppressed smile);
- positive and negative group emotions: positive → negative; negative → surprise (neighbour of sadness and fear);
  surprise → negative.

Source: R. Plutchik, "The nature of emotions", American Scientist 89(4), 2001.
"""

from __future__ import annotations

WHEEL: tuple[str, ...] = (
    "happiness",
    "trust",
    "fear",
    "surprise",
    "sadness",
    "disgust",
    "anger",
    "anticipation",
)
"""Primary emotions in order round the wheel (joy is called happiness, as in the databases)."""

_OFF_WHEEL = ("others", "repression", "negative", "positive")

HARD_TYPES: dict[str, tuple[str, ...]] = {
    "happiness": ("others", "sadness", "fear", "anger", "surprise", "disgust", "contempt", "repression"),
    "fear": ("surprise", "sadness", "happiness", "disgust", "anger", "contempt", *_OFF_WHEEL),
    "surprise": ("fear", "sadness", "disgust", "anger", "happiness", "contempt", *_OFF_WHEEL),
    "sadness": ("disgust", "surprise", "anger", "fear", "contempt", "happiness", *_OFF_WHEEL),
    "disgust": ("anger", "sadness", "contempt", "surprise", "fear", "happiness", *_OFF_WHEEL),
    "anger": ("disgust", "contempt", "sadness", "happiness", "surprise", "fear", *_OFF_WHEEL),
    "contempt": ("anger", "disgust", "sadness", "happiness", "surprise", "fear", *_OFF_WHEEL),
    "others": ("disgust", "happiness", "repression", "sadness", "anger", "surprise", "fear", "contempt"),
    "repression": ("others", "happiness", "disgust", "sadness", "anger", "surprise", "fear", "contempt"),
    "negative": ("surprise", "positive"),
    "positive": ("negative", "surprise"),
}

MACRO_CLASSES: dict[str, tuple[str, ...]] = {
    "positive": ("happiness",),
    "negative": ("anger", "contempt", "disgust", "fear", "sadness"),
}
"""Macro classes that show a micro class; a class without an entry is shown by the macro class of its own name."""

SYNONYMS: dict[str, str] = {"other": "others", "happy": "happiness", "joy": "happiness", "sad": "sadness"}
"""Other spellings in label sets and databases."""
