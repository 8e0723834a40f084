"""Batches as index arrays: anchors in balance, members drawn afresh from all combinations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mersearch.algorithm import Labels, Plan, Training
from trainables.blocks.sampling import Index, Pools, anchors, class_rates, weights
from trainables.quintuplet.hard_types import Classes, HardTypes
from trainables.quintuplet.settings import BatchSettings


def quintuplet_plan(
    rng: np.random.Generator,
    training: Training,
    hard: HardTypes,
    settings: BatchSettings,
    steps: int,
    macro: bool,
) -> Plan:
    """Quintuplets of all steps.

    A missing member is replaced by the anchor (or macro clip 0) and masked. Another clip of the class is the
    positive, each as likely; the micro negative is a clip of the hard type, of the anchor's own subject with
    probability `same_subject` where there is one, so that a batch holds several clips of a subject and identity
    alone separates nothing.

    Returns:
        `micro` [S, 3Q] = anchors, positives, negatives; `micro_valid` [S, Q]; `weight` [S, 3Q] of the cross entropy,
        0 for stand-ins, such that every class has the total weight of its rate; with `macro` also `macro` [S, 2Q]
        = positives, negatives and `macro_valid` [S, Q].
    """
    micro = training.micro
    classes = len(hard.micro_negative)
    A = anchors(rng, micro.emotion, classes, (steps, settings.quintuplets), settings.balance)
    P = _positives(rng, micro.emotion, classes, A)
    N = _negatives(rng, micro, hard.micro_negative, A, settings.same_subject)
    clips = np.concatenate([A, np.where(P < 0, A, P), np.where(N < 0, A, N)], axis=1)
    exists = np.concatenate([A >= 0, P >= 0, N >= 0], axis=1)
    plan: Plan = {
        "micro": clips,
        "micro_valid": ((P >= 0) & (N >= 0)).astype(np.float32),
        "weight": weights(
            micro.emotion[clips], exists, class_rates(micro.emotion, classes, settings.balance)
        ),
    }
    if macro and training.macro is not None:
        anchor_class = micro.emotion[A]
        positive = _macro_pools(training.macro, hard.macro_positive).draw(rng, anchor_class)
        negative = _macro_pools(training.macro, hard.macro_negative).draw(rng, anchor_class)
        plan["macro"] = np.maximum(np.concatenate([positive, negative], axis=1), 0)
        plan["macro_valid"] = ((positive >= 0) & (negative >= 0)).astype(np.float32)
    return plan


def clip_plan(
    rng: np.random.Generator,
    training: Training,
    classes: tuple[int, int],
    shape: tuple[int, int],
    balance: float,
    macro: bool,
) -> Plan:
    """Single clips of all steps: `micro` [S, B] and, with `macro`, `macro` [S, B], in balance over classes."""
    plan: Plan = {"micro": anchors(rng, training.micro.emotion, classes[0], shape, balance)}
    if macro and training.macro is not None:
        plan["macro"] = anchors(rng, training.macro.emotion, classes[1], shape, balance)
    return plan


def macro_plan(rng: np.random.Generator, training: Training, classes: int, shape: tuple[int, int]) -> Plan:
    """Macro clips of all steps: `macro` [S, B], all classes alike."""
    assert training.macro is not None
    return {"macro": anchors(rng, training.macro.emotion, classes, shape, 1.0)}


def _positives(rng: np.random.Generator, emotion: Index, classes: int, anchor: Index) -> Index:
    """Another clip of the anchor's class, −1 where it is the only one."""
    pools = Pools.of([np.flatnonzero(emotion == label) for label in range(classes)])
    rank = np.zeros(len(emotion), dtype=np.int64)
    rank[pools.clips] = np.arange(len(emotion)) - np.repeat(pools.start, pools.count)
    label = emotion[anchor]
    start, count = pools.start[label], pools.count[label]
    step = 1 + np.floor(rng.random(anchor.shape) * (count - 1)).astype(np.int64)
    return np.where(count > 1, pools.clips[start + (rank[anchor] + step) % count], -1)


def _negatives(
    rng: np.random.Generator, labels: Labels, hard: Sequence[Classes], anchor: Index, same_subject: float
) -> Index:
    """A clip of the anchor's hard type, −1 where the fold has none."""
    subjects = int(labels.subject.max()) + 1
    cell = labels.emotion * subjects + labels.subject
    order = np.argsort(cell, kind="stable")
    cells = np.arange(len(hard) * subjects)
    start, end = np.searchsorted(cell[order], cells), np.searchsorted(cell[order], cells, side="right")
    hard_class = np.array([chosen[0] if chosen else -1 for chosen in hard], dtype=np.int64)
    target = hard_class[labels.emotion[anchor]]
    own = np.maximum(target, 0) * subjects + labels.subject[anchor]
    own_draw = Pools(order, start, end - start).draw(rng, own)
    by_class = Pools.of([np.flatnonzero(labels.emotion == label) for label in range(len(hard))])
    any_draw = by_class.draw(rng, np.maximum(target, 0))
    stay = (rng.random(anchor.shape) < same_subject) & (own_draw >= 0)
    return np.where(target < 0, -1, np.where(stay, own_draw, any_draw))


def _macro_pools(labels: Labels, wanted: Sequence[Classes]) -> Pools:
    return Pools.of([np.flatnonzero(np.isin(labels.emotion, chosen)) for chosen in wanted])
