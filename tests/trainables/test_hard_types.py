"""Hard types of every label set, against distances round the wheel."""

from __future__ import annotations

import numpy as np
import pytest

from mersearch.algorithm import Labels, Training
from mersearch.errors import ConfigError
from tests.trainables.clips import MACRO, quintuplet
from trainables.quintuplet.hard_types import HardTypes, jaccard, resolve, table_errors
from trainables.quintuplet.settings import HardTypeSettings
from trainables.quintuplet.wheel import HARD_TYPES

WHEEL = ["happiness", "trust", "fear", "surprise", "sadness", "disgust", "anger", "anticipation"]
LABEL_SETS = {
    "casme2-5": ("happiness", "disgust", "repression", "surprise", "others"),
    "casme2-7": ("happiness", "disgust", "repression", "surprise", "sadness", "fear", "others"),
    "samm-5": ("anger", "happiness", "other", "surprise", "contempt"),
    "mmew-4": ("happiness", "surprise", "disgust", "others"),
    "mmew-6": ("happiness", "surprise", "disgust", "fear", "sadness", "anger"),
    "mmew-7": ("happiness", "surprise", "disgust", "others", "fear", "sadness", "anger"),
    "megc2019": ("negative", "positive", "surprise"),
    "ckplus": MACRO,
}
OFF_WHEEL = {
    "contempt": ("anger", "disgust"),
    "others": ("disgust", "happiness"),
    "other": ("disgust", "happiness"),
    "repression": ("others", "happiness"),
    "happiness": ("others", "other", "sadness"),
    "negative": ("surprise",),
    "positive": ("negative",),
}


def steps(a: str, b: str) -> float:
    """Steps round the wheel; contempt lies between disgust and anger, one step outside."""
    place = {name: float(i) for i, name in enumerate(WHEEL)} | {"contempt": 5.5}
    apart = abs(place[a] - place[b])
    return min(apart, 8 - apart) + ("contempt" in (a, b))


def clips(classes: int, each: int = 2) -> Labels:
    emotion = np.repeat(np.arange(classes), each)
    return Labels(
        emotion, np.zeros_like(emotion), np.zeros((len(emotion), 3), bool), np.zeros(len(emotion), bool)
    )


def hard(
    emotions: tuple[str, ...], macro: tuple[str, ...] = MACRO, settings: HardTypeSettings | None = None
) -> HardTypes:
    known = Training(clips(len(emotions)), clips(len(macro)) if macro else None)
    return resolve(settings or HardTypeSettings(), emotions, macro, known)


@pytest.mark.parametrize("emotions", LABEL_SETS.values(), ids=LABEL_SETS)
def test_the_hard_type_is_nearest_on_the_wheel_or_the_stated_choice(emotions: tuple[str, ...]) -> None:
    for name, found in zip(emotions, hard(emotions).micro_negative, strict=True):
        (chosen,) = (emotions[i] for i in found)
        on_wheel = [other for other in emotions if other in (*WHEEL, "contempt") and other != name]
        if name in OFF_WHEEL:
            assert chosen == next(other for other in OFF_WHEEL[name] if other in emotions)
        elif on_wheel:
            assert steps(name, chosen) == min(steps(name, other) for other in on_wheel)
        else:
            assert chosen in ("negative", "positive")


def test_the_lists_of_the_primary_emotions_follow_the_wheel() -> None:
    for name in ("fear", "surprise", "sadness", "disgust", "anger"):
        distances = [
            steps(name, other) for other in HARD_TYPES[name] if other in WHEEL or other == "contempt"
        ]
        assert distances == sorted(distances)
        assert len(distances) == 6


def test_no_class_is_its_own_hard_type() -> None:
    assert all(name not in preferred for name, preferred in HARD_TYPES.items())


def test_every_listed_class_has_a_list_of_its_own() -> None:
    assert {other for preferred in HARD_TYPES.values() for other in preferred} <= set(HARD_TYPES)


def test_macro_members_of_casme2() -> None:
    emotions = LABEL_SETS["casme2-5"]
    found = hard(emotions)

    def names(classes: tuple[int, ...]) -> list[str]:
        return [MACRO[i] for i in classes]

    positive = {name: names(p) for name, p in zip(emotions, found.macro_positive, strict=True)}
    negative = {name: names(n) for name, n in zip(emotions, found.macro_negative, strict=True)}
    assert positive == {
        "happiness": ["happiness"],
        "disgust": ["disgust"],
        "repression": [],
        "surprise": ["surprise"],
        "others": [],
    }
    assert negative["happiness"] == ["sadness"]
    assert negative["disgust"] == ["anger"]
    assert negative["surprise"] == ["fear"]


def test_macro_members_of_the_composite_are_groups_of_classes() -> None:
    found = hard(LABEL_SETS["megc2019"])
    negative, positive, surprise = ({MACRO[i] for i in classes} for classes in found.macro_positive)
    assert negative == {"anger", "contempt", "disgust", "fear", "sadness"}
    assert positive == {"happiness"}
    assert surprise == {"surprise"}
    assert {MACRO[i] for i in found.macro_negative[0]} == {"surprise"}
    assert {MACRO[i] for i in found.macro_negative[1]} == negative
    assert {MACRO[i] for i in found.macro_negative[2]} == {"fear"}


def test_a_class_without_training_clips_is_passed_over() -> None:
    emotions = LABEL_SETS["mmew-7"]
    without_fear = np.array([i for i in range(len(emotions)) if emotions[i] != "fear"])
    everything = clips(len(emotions), 1)
    found = resolve(HardTypeSettings(), emotions, (), Training(everything.take(without_fear), None))
    surprise = emotions.index("surprise")
    assert [emotions[i] for i in found.micro_negative[surprise]] == ["sadness"]


def test_without_any_listed_class_there_is_no_hard_type() -> None:
    found = hard(("others",), ())
    assert found.micro_negative == ((),)
    assert found.macro_positive == found.macro_negative == ((),)


def test_a_table_replaces_the_policy_for_its_class_only() -> None:
    emotions = LABEL_SETS["casme2-5"]
    table = {"surprise": ("Happy", "disgust")}
    found = hard(emotions, settings=HardTypeSettings(table=table))
    usual = hard(emotions)
    surprise = emotions.index("surprise")
    assert [emotions[i] for i in found.micro_negative[surprise]] == ["happiness"]
    assert found.micro_negative[:surprise] == usual.micro_negative[:surprise]


def test_overlap_takes_the_class_that_shares_most_action_units() -> None:
    emotions = ("happiness", "disgust", "surprise", "others")
    units = np.array(
        [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1], [0, 1, 1], [0, 1, 0]], bool
    )
    labels = Labels(np.repeat(np.arange(4), 2), np.zeros(8, np.int64), units, np.ones(8, bool))
    found = resolve(HardTypeSettings(policy="au_overlap"), emotions, (), Training(labels, None))
    # surprise: happiness min 0.5 / max 2, disgust 0 / 2.5, others 0.5 / 2.5
    assert [emotions[c] for (c,) in found.micro_negative] == ["surprise", "others", "happiness", "disgust"]


def test_overlap_without_annotation_falls_back_to_the_wheel() -> None:
    emotions = LABEL_SETS["mmew-6"]
    assert hard(emotions, settings=HardTypeSettings(policy="au_overlap")) == hard(emotions)


def test_jaccard_is_the_sum_of_minima_over_the_sum_of_maxima() -> None:
    frequency = np.array([[0.5, 0.0, 1.0], [0.25, 0.5, 1.0], [0.0, 0.0, 0.0]])
    index = jaccard(frequency)
    assert index[0, 1] == pytest.approx(1.25 / 2.0)
    assert index[0, 0] == 1
    assert not index[2].any()


def test_a_table_with_an_unknown_class_names_it_and_the_valid_ones() -> None:
    (error,) = table_errors({"joyful": ("disgust",)}, ("happiness", "disgust"), ())
    assert "joyful" in str(error)
    assert "happiness" in str(error)
    (error,) = table_errors({"disgust": ("disgust",)}, ("happiness", "disgust"), ())
    assert "not its own hard type" in str(error)
    with pytest.raises(ConfigError, match="hard types are classes"):
        quintuplet(hard_types={"table": {"disgust": ["angr"]}})
