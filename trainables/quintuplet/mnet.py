"""MNet: evidence for action units in their facial regions, and the mask made of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mersearch.data.action_units import ACTION_UNITS, regions
from mersearch.errors import ConfigError
from trainables.blocks.clips import resize
from trainables.blocks.norm import ClipNorm

LARGEST = 40
"""Pixels that MNet sees at most: larger clips are averaged down."""
PRIOR = -2.0
"""Evidence at the start: an action unit is absent from most clips."""
EDGE = 0.1
"""Values of a region up to this are outside of it."""


class MNet(nn.Module):
    """Views [B, T, C, H, W] → evidence z [B, T, A, g, g], g as `grid`: a light encoder and decoder per frame."""

    def __init__(self, inputs: int, action_units: int, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False)
        self.down_norm = ClipNorm(width)
        self.deep = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False)
        self.deep_norm = ClipNorm(2 * width)
        self.up = nn.Conv2d(2 * width, width, 1, bias=False)
        self.up_norm = ClipNorm(width)
        self.evidence = nn.Conv2d(2 * width, action_units, 1)

    def forward(self, clips: list[Tensor]) -> Tensor:
        """Evidence, a logit per frame, action unit and cell; the views in `clips` are stacked as channels."""
        B, T, _, H, W = clips[0].shape
        frames = torch.cat(clips, 2).reshape(B * T, -1, H, W)
        factor = shrink(H)
        frames = functional.avg_pool2d(frames, factor) if factor > 1 else frames
        fine = functional.relu(self.down_norm(self.down(frames), T))
        coarse = functional.relu(self.deep_norm(self.deep(fine), T))
        raised = resize(self.up(coarse), fine.shape[-1])
        both = torch.cat([fine, functional.relu(self.up_norm(raised, T))], 1)
        evidence: Tensor = self.evidence(both) + PRIOR
        return evidence.reshape(B, T, -1, *fine.shape[-2:])


def shrink(size: int) -> int:
    """By how much clips of `size` pixels are averaged down for MNet."""
    return -(-size // LARGEST)


def grid(size: int) -> int:
    """g, height and width of evidence, regions and mask: half of what MNet sees of `size` pixels."""
    return (size // shrink(size) + 1) // 2


class MNetHeads(nn.Module):
    """Linear classifiers of the emotion on the logits of the action units, one per kind of clip."""

    def __init__(self, action_units: int, emotions: int, macro_emotions: int) -> None:
        super().__init__()
        self.micro = nn.Linear(action_units, emotions)
        self.macro = nn.Linear(action_units, macro_emotions) if macro_emotions else None

    def forward(self, logits: Tensor, kind: str) -> Tensor:
        """Logits of the emotions of `kind` from `logits` [B, A]."""
        head = self.micro if kind == "micro" or self.macro is None else self.macro
        emotion: Tensor = head(logits)
        return emotion


def action_unit_regions(action_units: tuple[int, ...], cells: int) -> Tensor:
    """R [A, g, g], g = `cells`, in [0, 1]: the platform's regions, exactly 0 outside.

    Raises:
        ConfigError: an action unit has no region.
    """
    unknown = sorted(set(action_units) - set(ACTION_UNITS))
    if unknown:
        raise ConfigError(
            "every action unit of the data needs a facial region",
            received=f"action units {unknown}",
            fix=f"known are {list(ACTION_UNITS)}",
        )
    rows = [ACTION_UNITS.index(unit) for unit in action_units]
    inside = np.clip((regions(cells)[rows] - EDGE) / (1 - EDGE), 0, 1)
    return torch.from_numpy(inside.astype(np.float32))


def mask(evidence: Tensor, region: Tensor) -> Tensor:
    """M [B, T, g, g] of evidence z [B, T, A, g, g] and regions R [A, g, g]: a noisy or.

        M_tp = 1 − Π_a (1 − σ(z_atp) R_ap)

    M is in [0, 1] and exactly 0 outside all regions, whatever the network says.
    """
    return 1 - torch.prod(1 - torch.sigmoid(evidence) * region, dim=-3)


def action_unit_logits(evidence: Tensor, region: Tensor, sharpness: float) -> Tensor:
    """ℓ [B, A]: evidence pooled over frames and the action unit's region by a smooth maximum.

        ℓ_a = 1/r · log(Σ_tp R_ap exp(r z_atp) / Σ_tp R_ap),   r = sharpness

    Equal evidence c everywhere gives c; r → 0 is the weighted mean, r → ∞ the maximum over the region.
    """
    T = evidence.shape[1]
    weight = region / (T * region.sum((1, 2), keepdim=True))
    return torch.logsumexp(sharpness * evidence + weight.log(), dim=(1, 3, 4)) / sharpness


class MaskTerms(NamedTuple):
    """The two parts of MNet's loss on one kind of clips."""

    action_units: Tensor
    emotion: Tensor


def mask_terms(
    logits: Tensor,
    emotion_logits: Tensor,
    present: Tensor,
    annotated: Tensor,
    emotion: Tensor,
    positive: float,
) -> MaskTerms:
    """Cross entropies of MNet.

    Binary, against the action units, mean over annotated clips and action units (0 without an annotated clip):
    −[w y log σ(ℓ) + (1 − y) log(1 − σ(ℓ))]; and of the emotion, mean over all clips. Evidence in the map of an absent
    action unit costs, so a mask that is 1 on all regions is no minimiser.

    Args:
        logits: ℓ [B, A].
        emotion_logits: [B, L].
        present: y [B, A], 0 or 1.
        annotated: [B], 0 or 1.
        emotion: int64 [B].
        positive: w.
    """
    entropy = positive * present * functional.softplus(-logits) + (1 - present) * functional.softplus(logits)
    action_units = (entropy.mean(1) * annotated).sum() / annotated.sum().clamp(min=1)
    chosen = torch.log_softmax(emotion_logits, 1).gather(1, emotion[:, None])
    return MaskTerms(action_units, -chosen.mean())
