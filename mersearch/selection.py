"""The score of a search's winner without the winner's curse.

The best of many trials is the maximum of noisy numbers. Here the selection is made again and again on resampled
subjects, and its pick is scored on the subjects that were left out: the bootstrap bias correction of Tsamardinos,
Greasidou and Borboudakis (Machine Learning 107, 2018), with whole subjects as the unit, predictions pooled before the
metric is taken, and the folds that stopped trials lack imputed, so that the whole competition is seen. Correcting on
the surviving trials only is not honest: they have survived because they looked good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.data.table import database_of
from mersearch.metrics import METRICS, scores, scores_of_sums
from mersearch.student import quantile

Counts = NDArray[np.float64]
VERSION: Final = 1
"""Raised with every change of what a correction gives for the same competition."""
REPEATS: Final = 5
"""Imputations."""
DRAWS: Final = 1000
"""Bootstrap samples per imputation."""
SHRINKAGE: Final = 6.0
"""n0: clips of a class at which half of a trial's difference to the others is believed."""
CONCENTRATION: Final = 12.0
"""Of the Dirichlet law that an imputed fold's rates are drawn from."""
FLOOR: Final = 0.01
RELIABLE: Final = 15
"""Subjects below which the interval is not to be relied on."""
BLOCK: Final = 4_000_000
"""Numbers of one block of bootstrap samples in memory."""


def rule() -> tuple[float, ...]:
    """What a correction depends on beside the competition; equal where the same competition gives the same."""
    return (VERSION, REPEATS, DRAWS, SHRINKAGE, CONCENTRATION, FLOOR)


@dataclass(frozen=True, slots=True)
class Competition:
    """Everything that was ever scored on one data set and label set.

    Attributes:
        counts: confusion counts [C, K, L, L] per configuration and subject; anything where `done` is false.
        done: finished folds [C, K].
        panel: configurations [C] with all folds, whose predictions say what a missing fold is like; at least one.
        clips: clips [K, L] per subject and class.
        strata: `strata_of` the subjects, [K].
    """

    counts: NDArray[np.int64]
    done: NDArray[np.bool_]
    panel: NDArray[np.bool_]
    clips: NDArray[np.int64]
    strata: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corrected:
    """The score of a winner, as it was found and as it is to be expected on new subjects.

    Attributes:
        naive: of the winner, pooled over all folds: comparable with papers, and too high.
        corrected: θ, from out-of-bag predictions pooled per subject.
        conservative: mean score over the out-of-bag samples.
        low: end of the 95 % interval around θ.
        high: end of the 95 % interval around θ.
        configurations: C, that competed.
        subjects: K.
        per_subject: expected out-of-bag counts [K, L, L], for paired comparisons.
    """

    naive: float
    corrected: float
    conservative: float
    low: float
    high: float
    configurations: int
    subjects: int
    per_subject: Counts

    @property
    def reliable(self) -> bool:
        """Whether there are enough subjects for the interval."""
        return self.subjects >= RELIABLE


def correct(
    competition: Competition, winner: int, metric: str, *, repeats: int = REPEATS, draws: int = DRAWS
) -> Corrected:
    """The naive and the corrected score of `winner`, the configuration that the search reports.

    With M_ck the counts of configuration c on subject k, and W_b the multiplicities of K subjects drawn with
    replacement (within each database), O_b = (W_b = 0):

        ĉ_b = argmax_c metric(Σ_k W_bk M_ck)
        P_k = Σ_b O_bk M_{ĉ_b, k} / Σ_b O_bk
        θ = metric(Σ_k P_k), pooled over the imputations,
        θ ± t_{K−1, 0.975} max(SE_W, SE_O),

    with SE_W the standard deviation of the winner's score over the samples, and SE_O that of the scores of the
    out-of-bag samples, shrunk by √(mean |O_b| / K). The draws depend on the seed of this module alone.

    Args:
        competition: at least one configuration with all folds.
        winner: index of a configuration with all folds.
        metric: `uf1`, `uar` or `accuracy`.
        repeats: imputations.
        draws: bootstrap samples per imputation.

    Raises:
        ValueError: nothing is complete, or the winner is not.
    """
    if not competition.done[winner].all() or not competition.panel.any():
        raise ValueError("the winner needs all folds, and the panel a configuration")
    rng = seeds.generator("selection")
    configurations, subjects = competition.done.shape
    own = competition.counts[winner].astype(np.float64)
    expected, outside, spread_in, spread_out = np.zeros_like(own), [], [], []
    for _ in range(repeats):
        filled = impute(competition, rng)
        weights = resample(competition.strata, draws, rng)
        out = (weights == 0).astype(np.float64)
        picks = select(filled, competition.clips, weights, metric)
        chosen = filled[picks]
        expected += np.einsum("bk,bkij->kij", out, chosen) / np.maximum(1, out.sum(0))[:, None, None]
        left_out = scores(metric, np.einsum("bk,bkij->bij", out, chosen)[out.any(1)])
        outside.append(left_out.mean())
        spread_in.append(scores(metric, np.einsum("bk,kij->bij", weights, own)).std())
        spread_out.append(left_out.std() * np.sqrt(out.sum(1).mean() / subjects))
    expected /= repeats
    theta = METRICS[metric](expected.sum(0))
    half = quantile(0.975, max(1, subjects - 1)) * max(float(np.mean(spread_in)), float(np.mean(spread_out)))
    return Corrected(
        naive=METRICS[metric](own.sum(0)),
        corrected=theta,
        conservative=float(np.mean(outside)),
        low=max(0.0, theta - half),
        high=min(1.0, theta + half),
        configurations=configurations,
        subjects=subjects,
        per_subject=expected,
    )


def impute(competition: Competition, rng: np.random.Generator) -> Counts:
    """Counts [C, K, L, L] with every missing fold drawn once.

    A missing fold follows the mean prediction of the complete configurations on that subject, shifted by what sets
    the trial apart from them on its own folds, shrunk where it has few clips of a class:

        off[y] = (A − R)[y] / max(1, n_y) · n_y / (n_y + n0)
        p = normalise(max(w · panel_k[y] / n_ky + (1 − w) · panel[y] / tot_y + off[y], 0.01)), w = n_ky / (n_ky + 1)
        rates ~ Dirichlet(12 p), counts ~ Multinomial(n_ky, rates).
    """
    done, clips = competition.done, competition.clips
    counts = np.where(done[:, :, None, None], competition.counts, 0).astype(np.float64)
    open_ = np.flatnonzero(~done.all(1))
    if not len(open_):
        return counts
    panel = counts[competition.panel].mean(0)
    has = done[open_].astype(np.float64)
    seen = (has @ clips)[:, :, None]
    apart = counts[open_].sum(1) - np.einsum("ck,kij->cij", has, panel)
    off = apart / np.maximum(1, seen) * seen / (seen + SHRINKAGE)
    n, total = clips[:, :, None], np.maximum(1, clips.sum(0))[:, None]
    w = n / (n + 1)
    base = w * panel / np.maximum(1, n) + (1 - w) * panel.sum(0) / total
    trial, subject = np.nonzero(~done[open_])
    p = np.maximum(base[subject] + off[trial], FLOOR)
    p /= p.sum(2, keepdims=True)
    rates = rng.standard_gamma(CONCENTRATION * p)
    rates /= rates.sum(2, keepdims=True)
    counts[open_[trial], subject] = rng.multinomial(clips[subject], rates)
    return counts


def strata_of(subjects: Sequence[str]) -> NDArray[np.int64]:
    """The stratum that each subject is drawn within, [K]: a number for every database.

    The only subject of a database would be in every sample and never be left out, so that nothing would be expected
    of it: such subjects are drawn with those of the largest database.
    """
    names = [database_of(subject) for subject in subjects]
    _, strata, sizes = np.unique(names, return_inverse=True, return_counts=True)
    return np.where(sizes[strata] > 1, strata, sizes.argmax()).astype(np.int64)


def resample(strata: NDArray[np.int64], draws: int, rng: np.random.Generator) -> Counts:
    """Multiplicities [B, K] of subjects drawn with replacement, as many as there are within each stratum."""
    weights = np.zeros((draws, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), draws)
    return weights


def select(counts: Counts, clips: NDArray[np.int64], weights: Counts, metric: str) -> NDArray[np.int64]:
    """The best configuration [B] under each sample of subjects, the first one on a tie.

    Only the diagonal and the column sums of the pooled counts are needed: the row sums are those of the clips.
    """
    diagonal = np.diagonal(counts, axis1=2, axis2=3)
    configurations, subjects, classes = diagonal.shape
    features = np.stack([diagonal, counts.sum(2)]).transpose(2, 0, 1, 3).reshape(subjects, -1)
    rows = weights @ clips
    picks = np.empty(len(weights), np.int64)
    step = max(1, BLOCK // features.shape[1])
    for start in range(0, len(weights), step):
        block = slice(start, start + step)
        pooled = (weights[block] @ features).reshape(-1, 2, configurations, classes)
        picks[block] = scores_of_sums(metric, pooled[:, 0], rows[block, None], pooled[:, 1]).argmax(1)
    return picks
