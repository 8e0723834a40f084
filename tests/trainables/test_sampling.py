"""What a plan draws: anchors in balance, members of the right class, nothing outside the training clips."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mersearch.algorithm import Labels, Plan, Training
from tests.trainables.clips import EMOTIONS, MACRO, quintuplet, training
from trainables.blocks.sampling import Pools, anchors, class_rates
from trainables.quintuplet.hard_types import resolve
from trainables.quintuplet.settings import HardTypeSettings

STEPS = 40


def plan_of(known: Training, seed: int = 0, **settings: object) -> Plan:
    algorithm = quintuplet(train={"steps": STEPS}, **settings)
    stage = algorithm.stages()[-1]
    return algorithm.plan(stage, stage.updates[-1], known, np.random.default_rng(seed))


def members(plan: Plan, kind: str, parts: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    return np.split(plan[kind], parts, axis=1)


def test_indices_are_training_clips_and_every_step_has_the_same_shape() -> None:
    known = training()
    plan = plan_of(known)
    assert plan["micro"].shape == (STEPS, 9)
    assert plan["macro"].shape == (STEPS, 6)
    assert plan["weight"].shape == (STEPS, 9)
    assert plan["micro_valid"].shape == plan["macro_valid"].shape == (STEPS, 3)
    assert known.macro is not None
    for kind, count in (("micro", len(known.micro)), ("macro", len(known.macro))):
        assert plan[kind].dtype == np.int64
        assert plan[kind].min() >= 0
        assert plan[kind].max() < count


def test_positives_are_other_clips_of_the_class_and_negatives_of_the_hard_type() -> None:
    known = training()
    plan = plan_of(known)
    A, P, N = members(plan, "micro", 3)
    hard = resolve(HardTypeSettings(), EMOTIONS, MACRO, known).micro_negative
    emotion = known.micro.emotion
    assert (plan["micro_valid"] == 1).all()
    assert (P != A).all()
    assert np.array_equal(emotion[P], emotion[A])
    assert np.array_equal(emotion[N], np.array([classes[0] for classes in hard])[emotion[A]])


def test_macro_members_show_the_emotion_and_the_hard_type_and_are_masked_elsewhere() -> None:
    known = training()
    plan = plan_of(known)
    hard = resolve(HardTypeSettings(), EMOTIONS, MACRO, known)
    anchor_class = known.micro.emotion[members(plan, "micro", 3)[0]]
    assert known.macro is not None
    P, N = (known.macro.emotion[part] for part in members(plan, "macro", 2))
    for step, q in np.ndindex(anchor_class.shape):
        c = anchor_class[step, q]
        exists = bool(hard.macro_positive[c]) and bool(hard.macro_negative[c])
        assert plan["macro_valid"][step, q] == exists
        if exists:
            assert P[step, q] in hard.macro_positive[c]
            assert N[step, q] in hard.macro_negative[c]
    assert {EMOTIONS[c] for c in np.unique(anchor_class[plan["macro_valid"] == 0])} == {
        "repression",
        "others",
    }


def test_all_combinations_come_up() -> None:
    known = training(micro=[0, 0, 0, 1, 1, 4, 4, 4])
    A, P, N = members(plan_of(known, batch={"quintuplets": 12}), "micro", 3)
    seen = {(int(a), int(p), int(n)) for a, p, n in zip(A.flat, P.flat, N.flat, strict=True) if a < 3}
    assert seen == {(a, p, n) for a in range(3) for p in range(3) if p != a for n in (5, 6, 7)}


def test_the_same_generator_gives_the_same_plan_and_another_one_another() -> None:
    first, again, other = plan_of(training()), plan_of(training()), plan_of(training(), seed=1)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["micro"], other["micro"])


def test_a_class_with_one_clip_masks_its_positive() -> None:
    known = training(micro=[0, 1, 1, 4, 4])
    plan = plan_of(known)
    A, P, _ = members(plan, "micro", 3)
    lonely = A == 0
    assert lonely.any()
    assert np.array_equal(plan["micro_valid"] == 0, lonely)
    assert (P[lonely] == 0).all()
    assert not np.split(plan["weight"], 3, axis=1)[1][lonely].any()


def test_one_class_masks_every_negative_and_leaves_a_cross_entropy() -> None:
    plan = plan_of(training(micro=[3, 3, 3], macro=False), quintuplet={"macro": False}, mask={"macro": False})
    assert not plan["micro_valid"].any()
    A, _, N = np.split(plan["weight"], 3, axis=1)
    assert A.all()
    assert not N.any()
    assert "macro" not in plan


def test_without_macro_terms_no_macro_clip_is_planned() -> None:
    assert "macro" not in plan_of(training(), quintuplet={"macro": False})
    assert "macro" not in plan_of(training(), quintuplet={"weight": 0.0})


def test_ablations_see_the_same_micro_clips() -> None:
    usual = plan_of(training())
    for changes in ({"quintuplet": {"macro": False}}, {"contrast": {"weight": 0.0}}, {"views": "flow"}):
        assert np.array_equal(plan_of(training(), **changes)["micro"], usual["micro"])


def test_class_weights_make_the_cross_entropy_balanced() -> None:
    micro = [0] * 9 + [1] * 4 + [2] * 2 + [3] * 3 + [4]
    for balance in (0.0, 0.6, 1.0):
        plan = plan_of(training(micro=micro), batch={"balance": balance, "quintuplets": 8})
        emotion = np.array(micro)[plan["micro"]]
        totals = np.bincount(emotion.ravel(), weights=plan["weight"].ravel())
        expected = np.bincount(micro) ** (1 - balance)
        assert totals / totals.sum() == pytest.approx(expected / expected.sum(), abs=1e-6)


def test_rates_go_from_natural_to_equal() -> None:
    emotion = np.array([0, 0, 0, 0, 1, 3])
    assert class_rates(emotion, 4, 0.0) == pytest.approx([4 / 6, 1 / 6, 0, 1 / 6])
    assert class_rates(emotion, 4, 1.0) == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])


def test_every_step_holds_the_classes_at_their_rates_up_to_one_clip() -> None:
    emotion = np.array([0] * 10 + [1] * 3 + [2] * 5)
    drawn = emotion[anchors(np.random.default_rng(0), emotion, 3, (30, 8), 1.0)]
    for label in range(3):
        count = (drawn == label).sum(1)
        assert set(count) <= {2, 3}


def test_streams_are_endless_and_reshuffled() -> None:
    emotion = np.array([0] * 5 + [1] * 2)
    drawn = anchors(np.random.default_rng(0), emotion, 2, (40, 4), 1.0).ravel()
    rounds = drawn[emotion[drawn] == 0].reshape(-1, 5)
    assert all(sorted(clips) == [0, 1, 2, 3, 4] for clips in rounds)
    assert len({tuple(clips) for clips in rounds}) > 5


def test_negatives_come_from_the_own_subject_as_often_as_asked() -> None:
    emotion = np.repeat([0, 1], 20)
    subject = np.tile(np.arange(10), 4)
    micro = Labels(emotion, subject, np.zeros((40, 16), bool), np.zeros(40, bool))
    share = {}
    for wanted in (0.0, 0.5, 1.0):
        batch = {"same_subject": wanted, "quintuplets": 20}
        plan = plan_of(Training(micro, None), batch=batch, quintuplet={"macro": False}, mask={"macro": False})
        A, _, N = members(plan, "micro", 3)
        share[wanted] = float((subject[A] == subject[N]).mean())
    assert share[0.0] == pytest.approx(0.1, abs=0.05)
    assert share[0.5] == pytest.approx(0.55, abs=0.06)
    assert share[1.0] == 1


def test_pools_draw_evenly_and_say_when_they_are_empty() -> None:
    pools = Pools.of([np.array([4, 7, 9]), np.zeros(0, np.int64)])
    drawn = pools.draw(np.random.default_rng(0), np.repeat([0, 1], 3000))
    counts = Counter(drawn[:3000].tolist())
    assert set(counts) == {4, 7, 9}
    assert min(counts.values()) > 900
    assert (drawn[3000:] == -1).all()
    assert (
        Pools.of([np.zeros(0, np.int64)]).draw(np.random.default_rng(0), np.zeros(2, np.int64)) == -1
    ).all()


def test_mnet_sees_micro_and_macro_clips_in_balance() -> None:
    algorithm = quintuplet(mask={"steps": 10, "batch": 5})
    stage = algorithm.stages()[0]
    known = training(micro=[0] * 12 + [1, 2, 3, 4])
    plan = algorithm.plan(stage, stage.updates[0], known, np.random.default_rng(0))
    assert plan["micro"].shape == plan["macro"].shape == (10, 5)
    assert set(plan) == {"micro", "macro"}
    assert (np.sort(known.micro.emotion[plan["micro"]], axis=1) == np.arange(5)).all()
