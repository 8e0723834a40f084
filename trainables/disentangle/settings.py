"""Every parameter of `disentangle`, with defaults and bounds; what each one does is in `docs/disentangle.md`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mersearch.algorithm import bounded
from trainables.blocks.settings import AugmentationSettings, ClassifierSettings, EncoderSettings


@dataclass(frozen=True)
class AttentionSettings:
    """MENet's diverse attention operation."""

    heads: int = bounded(4, ge=1, doc="H, attention maps side by side; 1 = no diversity (ablation).")
    width: float = bounded(0.2, gt=0, doc="Width of a head's window at the start, as a share of the picture.")


@dataclass(frozen=True)
class DivergenceSettings:
    """The loss that pushes the heads to different places."""

    weight: float = bounded(0.3, ge=0, doc="λ_div; 0 removes the loss.")
    similarity: Literal["hellinger", "cosine"] = bounded("hellinger", doc="How alike two attention maps are.")


@dataclass(frozen=True)
class EmotionSettings:
    """The stage in which MENet learns the emotions alone."""

    steps: int = bounded(50, ge=0, doc="Steps of the stage.")
    lr: float = bounded(1e-2, gt=0, le=1, doc="Learning rate of the stage.")


@dataclass(frozen=True)
class IdentitySettings:
    """IDNet and its stage: the subject from the onset frame."""

    enabled: bool = bounded(True, doc="IDNet and the information term; false leaves MENet alone (ablation).")
    view: Literal["rgb", "flow"] = bounded(
        "rgb", doc="What IDNet sees: the onset frame, or the mean flow where there are no frames."
    )
    width: int = bounded(8, ge=1, doc="Channels of IDNet's first convolution.")
    dim: int = bounded(32, ge=2, doc="Length of the identity feature.")
    global_attention: bool = bounded(
        True, doc="Every place attends to every place; false = plain mean (ablation)."
    )
    steps: int = bounded(40, ge=0, doc="Steps of the stage.")
    lr: float = bounded(1e-2, gt=0, le=1, doc="Learning rate of IDNet.")


@dataclass(frozen=True)
class InformationSettings:
    """The information between the two features: its estimator, the critic, and its weight in MENet's loss."""

    weight: float = bounded(0.3, ge=0, doc="λ_mi; 0 removes the term.")
    estimator: Literal["mine", "smile", "infonce", "club"] = bounded(
        "mine", doc="How the information is estimated."
    )
    decay: float = bounded(0.9, ge=0, lt=1, doc="`mine`: share of the moving average that is kept at a step.")
    clip: float = bounded(5.0, gt=0, doc="`smile`: τ, scores beyond ±τ are cut in the partition term.")
    hidden: int = bounded(64, ge=1, doc="Width of the critic.")
    lr: float = bounded(5e-3, gt=0, le=1, doc="Learning rate of the critic.")
    steps: int = bounded(40, ge=0, doc="Steps of the stage in which the critic learns alone.")
    critic_steps: int = bounded(2, ge=1, doc="k, critic steps for each step of MENet in the last stage.")
    ramp: float = bounded(0.3, ge=0, le=1, doc="Share of the last stage in which the term's weight rises.")


@dataclass(frozen=True)
class BatchSettings:
    """How clips are drawn: without replacement, all clips equally likely."""

    size: int = bounded(32, ge=2, doc="Clips per step; at most those of the fold.")
    balance: float = bounded(
        0.7, ge=0, le=1, doc="Weight of a class in the cross entropy: 0 = natural rates, 1 = equal."
    )


@dataclass(frozen=True)
class TrainSettings:
    """MENet's optimiser, and the last stage."""

    steps: int = bounded(60, ge=1, doc="Steps of the last stage, in which MENet and the critic take turns.")
    staged: bool = bounded(
        True, doc="One stage after the other; false = all losses from the start (ablation)."
    )
    lr: float = bounded(1e-2, gt=0, le=1, doc="Learning rate of MENet in the last stage.")
    optimiser: Literal["adamw", "sgd"] = bounded("adamw", doc="AdamW, or SGD with Nesterov momentum.")
    weight_decay: float = bounded(0.01, ge=0, doc="Decoupled weight decay.")
    clip_norm: float = bounded(1.0, ge=0, doc="Largest gradient norm; 0 = no clipping.")
    warmup: float = bounded(0.2, ge=0, lt=1, doc="Share of a stage in which the learning rate rises.")
    decay: Literal["constant", "cosine"] = bounded("cosine", doc="Learning rate after the warm-up.")


@dataclass(frozen=True)
class Settings:
    """Parameters of `disentangle`; the defaults train on a CPU in a few seconds per fold."""

    view: Literal["flow", "rgb"] = bounded("flow", doc="What MENet sees.")
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
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    attention: AttentionSettings = field(default_factory=AttentionSettings)
    divergence: DivergenceSettings = field(default_factory=DivergenceSettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    emotion: EmotionSettings = field(default_factory=EmotionSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    information: InformationSettings = field(default_factory=InformationSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
