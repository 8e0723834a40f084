"""Every parameter of `quintuplet`, with defaults and bounds; what each one does is in `docs/quintuplet.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mersearch.algorithm import bounded
from trainables.blocks.settings import AugmentationSettings, ClassifierSettings, EncoderSettings


@dataclass(frozen=True)
class MaskSettings:
    """MNet: the action-unit mask and its own stage."""

    enabled: bool = bounded(True, doc="Multiply the clip by MNet's mask; false removes MNet (ablation).")
    steps: int = bounded(60, ge=1, doc="Steps of MNet's stage.")
    lr: float = bounded(1e-2, gt=0, le=1, doc="Learning rate of MNet, in both stages.")
    batch: int = bounded(12, ge=1, doc="Micro clips per step of MNet; as many macro clips beside them.")
    width: int = bounded(8, ge=1, doc="Channels of MNet's first layer.")
    floor: float = bounded(0.3, ge=0, le=1, doc="Weight of a pixel where the mask is 0; 1 = no mask.")
    finetune: bool = bounded(False, doc="MNet goes on learning on its own cross entropy in the joint stage.")
    macro: bool = bounded(True, doc="MNet also learns the action units of macro clips.")
    emotion: float = bounded(0.2, ge=0, doc="Weight of MNet's emotion term beside its action-unit term.")
    positive: float = bounded(3.0, gt=0, doc="Weight of a present action unit in the binary cross entropy.")
    sharpness: float = bounded(
        2.0, gt=0, doc="Pooling of evidence in a region: towards 0 mean, large maximum."
    )


@dataclass(frozen=True)
class PretrainSettings:
    """MNet on macro clips alone, before its own stage: once for all folds and trials."""

    steps: int = bounded(0, ge=0, doc="Steps of MNet on macro clips alone, before its own stage; 0 = none.")
    lr: float = bounded(1e-2, gt=0, le=1, doc="Learning rate there.")
    batch: int = bounded(24, ge=1, doc="Macro clips per step there.")


@dataclass(frozen=True)
class AttentionSettings:
    """Pooling over space and time."""

    heads: int = bounded(16, ge=1, doc="Learned queries per view; each attends to its own place and time.")
    width: float = bounded(
        0.05, gt=0, doc="Width of a head's window at the start, as a share of the picture."
    )


@dataclass(frozen=True)
class FusionSettings:
    """Fusion of the two views."""

    prior: float = bounded(
        1.0, doc="Logit of the gate at the start: > 0 leans towards flow, 0 = equal shares."
    )


@dataclass(frozen=True)
class BatchSettings:
    """How clips are drawn."""

    quintuplets: int = bounded(8, ge=1, doc="Q, quintuplets per step: 3Q micro and 2Q macro clips.")
    balance: float = bounded(1.0, ge=0, le=1, doc="Anchors by class: 0 = natural rates, 1 = equal rates.")
    same_subject: float = bounded(
        0.5, ge=0, le=1, doc="Chance that a micro negative is of the anchor's subject, where there is one."
    )


@dataclass(frozen=True)
class QuintupletSettings:
    """The cross-modal quintuplet loss."""

    weight: float = bounded(0.5, ge=0, doc="Weight of the loss in the joint stage; 0 removes it.")
    margin_micro: float = bounded(0.5, ge=0, le=4, doc="Margin of the micro term (squared distance, 0 … 4).")
    macro: bool = bounded(True, doc="Macro members; false leaves the micro triplet (ablation).")
    margin_macro: float = bounded(0.3, ge=0, le=4, doc="Margin of the macro term (squared distance, 0 … 4).")
    alpha: float = bounded(0.5, ge=0, doc="Weight of the macro term.")
    cross: float = bounded(0.0, ge=0, doc="Weight of the two terms that mix a micro and a macro member.")
    macro_part: float = bounded(0.6, gt=0, le=1, doc="Share of a macro clip that is used, from its onset on.")


@dataclass(frozen=True)
class ContrastSettings:
    """Contrast of the two views; off when one view is used."""

    weight: float = bounded(0.2, ge=0, doc="Weight of the loss in the joint stage; 0 removes it.")
    temperature: float = bounded(0.2, gt=0, doc="τ.")


@dataclass(frozen=True)
class HardTypeSettings:
    """For every class, the class that negatives are drawn from."""

    policy: Literal["plutchik", "au_overlap"] = bounded(
        "plutchik", doc="Distance on Plutchik's wheel, or overlap of the action units in the training clips."
    )
    table: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict,
        metadata={"doc": "Class → classes, most easily confused first; replaces the policy for that class."},
    )


@dataclass(frozen=True)
class TrainSettings:
    """The joint stage, and the optimiser of both stages."""

    steps: int = bounded(100, ge=1, doc="Steps of the joint stage.")
    lr: float = bounded(1.5e-2, gt=0, le=1, doc="Learning rate of the joint stage.")
    optimiser: Literal["adamw", "sgd"] = bounded("adamw", doc="AdamW, or SGD with Nesterov momentum.")
    weight_decay: float = bounded(0.01, ge=0, doc="Decoupled weight decay.")
    clip_norm: float = bounded(0.0, ge=0, doc="Largest gradient norm; 0 = no clipping.")
    warmup: float = bounded(0.3, ge=0, lt=1, doc="Share of a stage in which the learning rate rises.")
    decay: Literal["constant", "cosine"] = bounded("cosine", doc="Learning rate after the warm-up.")
    ramp: float = bounded(
        0.0, ge=0, le=1, doc="Share of the joint stage in which the weights of quintuplet and contrast rise."
    )


@dataclass(frozen=True)
class Settings:
    """Parameters of `quintuplet`; the defaults train on a CPU in a few seconds per fold."""

    views: Literal["both", "flow", "rgb"] = bounded("both", doc="Views that are used.")
    rgb_input: Literal["difference", "frames"] = bounded(
        "difference", doc="What the RGB view shows: the change since the onset frame, or the frames."
    )
    flow_input: Literal["local", "raw"] = bounded(
        "local", doc="What the flow view shows: motion less that of the head, or all motion."
    )
    frames: int = bounded(
        4, ge=0, doc="At most this many frames of a clip, evenly spread after the onset; 0 = all."
    )
    predict_mirrored: bool = bounded(True, doc="Average the logits over the clip and its mirror image.")
    mask: MaskSettings = field(default_factory=MaskSettings)
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    attention: AttentionSettings = field(default_factory=AttentionSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    quintuplet: QuintupletSettings = field(default_factory=QuintupletSettings)
    contrast: ContrastSettings = field(default_factory=ContrastSettings)
    hard_types: HardTypeSettings = field(default_factory=HardTypeSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
