"""Batches of distinct clips, and the weights of their pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mersearch.algorithm import Labels, Plan, Training
from trainables.blocks.sampling import Index, class_rates
from trainables.disentangle.settings import BatchSettings


def clip_plan(
    rng: np.random.Generator,
    training: Training,
    classes: int,
    subjects: int,
    settings: BatchSettings,
    steps: int,
) -> Plan:
    """Clips of all steps.

    The clips of a step are distinct and all equally likely, so that pairs of two of them have a known distribution.
    Rare classes are balanced by weight, not by drawing.

    Returns:
        `micro` [S, B]; `weight` [S, B] of the cross entropy, mean 1 over the training clips; `pairs` [S, B, B] of
        `pair_weights`; `ceiling` [S], the entropy of the subject in nats; `present` [S, subjects], which subjects
        the fold trains on.
    """
    labels = training.micro
    micro = distinct(rng, len(labels), steps, settings.size)
    seen = np.bincount(labels.emotion, minlength=classes)
    rates = class_rates(labels.emotion, classes, settings.balance)
    class_weight = rates * len(labels) / np.maximum(seen, 1)
    present = np.bincount(labels.subject, minlength=subjects) > 0
    return {
        "micro": micro,
        "weight": class_weight[labels.emotion[micro]].astype(np.float32),
        "pairs": pair_weights(labels.subject, micro),
        "ceiling": np.full(steps, subject_entropy(labels), dtype=np.float32),
        "present": np.broadcast_to(present, (steps, subjects)).astype(np.float32),
    }


def distinct(rng: np.random.Generator, clips: int, steps: int, size: int) -> Index:
    """Clips [S, B], B = min(size, clips), drawn without replacement within a step."""
    return np.argsort(rng.random((steps, clips)), axis=1)[:, : min(size, clips)].astype(np.int64)


def pair_weights(subject: Index, micro: Index) -> NDArray[np.float32]:
    """Weights [S, B, B] under which the pairs of two different clips have the subjects of two independent draws.

    Two distinct clips of the fold share a subject less often than independent draws do: n(n − 1) / N(N − 1) instead
    of n² / N² for a subject with n of N clips. A pair of the same subject therefore weighs n(N − 1) / N(n − 1),
    another (N − 1) / N, before they are scaled to the sum 1. Without this, features that tell the subject read more
    than its entropy. A subject with one clip has no pair of its own, so that clip stands beside itself, the only
    pairs with i = j; they weigh (B − 1) / N. Without them the bounds of Donsker–Varadhan and of Jensen–Shannon would
    have no largest value, since the critic could score such a clip as high as it likes. A fold of one clip has only
    that pair: joint and product are the same, and the information is 0.
    """
    N = len(subject)
    count = np.bincount(subject).astype(np.float64)
    own = np.where(count > 1, count / np.maximum(count - 1, 1), 0.0)
    drawn = subject[micro]
    same = drawn[:, :, None] == drawn[:, None, :]
    weight = np.where(same, own[drawn][:, :, None], 1.0) * ((N - 1) / N)
    B = micro.shape[1]
    weight[:, np.arange(B), np.arange(B)] = np.where(count[drawn] == 1, (B - 1) / N, 0)
    total = weight.sum((1, 2), keepdims=True)
    return np.where(total > 0, weight / np.where(total > 0, total, 1), np.eye(B)).astype(np.float32)


def subject_entropy(labels: Labels) -> float:
    """H = −Σ p log p of the subject of a clip, in nats: what the two features can share about it at most."""
    p = np.bincount(labels.subject) / len(labels)
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
