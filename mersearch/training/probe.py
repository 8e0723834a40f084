"""How much a feature tells about who it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PARTS = 5
"""Parts of the cross-validation over clips."""
RIDGE = 0.01
"""Weight of the ridge, beside features of variance 1."""


class Probe(NamedTuple):
    """A probe, and what it has to be compared with."""

    accuracy: float
    chance: float
    """Share of the subject with most clips."""


def identity_probe(features: Tensor, subject: NDArray[np.int64]) -> Probe | None:
    """Accuracy of a linear probe for the subject, cross-validated over clips.

    Ridge regression to the subjects in 0 and 1; the largest output wins. The clips of a subject are dealt to the
    parts in turn, so that every subject is trained on in each. Subjects with one clip are left out; None where fewer
    than two are left, or where a feature is not finite.

    Args:
        features: [N, D].
        subject: [N].
    """
    counts = np.bincount(subject)
    several = np.flatnonzero(counts[subject] > 1)
    labels = np.unique(subject[several], return_inverse=True)[1]
    if labels.max(initial=0) < 1 or not features.isfinite().all():
        return None
    x = features[torch.from_numpy(several).to(features.device)].double().cpu()
    part = _rank_within(labels) % PARTS
    hits = sum(_hits(x, labels, part == held) for held in np.unique(part))
    return Probe(hits / len(labels), float(np.bincount(labels).max() / len(labels)))


def _rank_within(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 for the first clip of a subject, 1 for the second …"""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


def _hits(x: Tensor, labels: NDArray[np.int64], held: NDArray[np.bool_]) -> int:
    """Clips of the part `held` whose subject is found by a probe of the others."""
    test, train = (torch.from_numpy(np.flatnonzero(mask)) for mask in (held, ~held))
    mean, sd = x[train].mean(0), x[train].std(0, correction=0).clamp(min=1e-12)
    z = (x - mean) / sd
    known, target = z[train], torch.nn.functional.one_hot(torch.from_numpy(labels))[train].double()
    share = target.mean(0)
    ridge = RIDGE * len(train) * torch.eye(z.shape[1], dtype=z.dtype)
    weight = torch.linalg.solve(known.T @ known + ridge, known.T @ (target - share))
    found = (z[test] @ weight + share).argmax(1)
    return int((found == torch.from_numpy(labels)[test]).sum())
