"""`quintuplet`: an action-unit mask, two views, contrast between them and a cross-modal quintuplet loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mersearch import stateless
from mersearch.algorithm import (
    Batch,
    Logs,
    Need,
    Optimiser,
    Parameters,
    Plan,
    Schedule,
    Shapes,
    Stage,
    State,
    Training,
    Update,
)
from mersearch.errors import raise_all
from trainables.blocks.augmentation import Views, mirror
from trainables.blocks.classification import cross_entropy
from trainables.blocks.clips import peak_map, resize
from trainables.quintuplet import hard_types, sampling
from trainables.quintuplet import settings as schema
from trainables.quintuplet.ablations import ablations
from trainables.quintuplet.checks import setting_errors, uses_macro, without
from trainables.quintuplet.losses.contrastive import info_nce
from trainables.quintuplet.losses.distance import unit
from trainables.quintuplet.losses.quintuplet import Quintuplets, quintuplet_loss
from trainables.quintuplet.mnet import action_unit_logits, mask_terms
from trainables.quintuplet.model import DROPOUT_SITE, MNET, PRETRAINED, RECOGNISER, Model, kinds
from trainables.quintuplet.recogniser import Features

SHARED = (
    "views",
    "rgb_input",
    "flow_input",
    "frames",
    "mask.width",
    "mask.emotion",
    "mask.positive",
    "mask.sharpness",
    "pretrain",
)
"""What the pretraining of MNet depends on. Augmentation, balance of the classes and the part of a macro clip are at
their defaults there: in a search they differ from trial to trial, and no two could share it."""
WARM_UP = 0.1
"""Share of the pretraining in which the learning rate rises."""
MAP = 14
"""Height and width of the maps that `predict` returns."""


class Quintuplet:
    """Two stages: MNet on its cross entropy ("mask"), then the rest on three losses ("joint").

    Before them, MNet may be trained on macro clips alone ("pretrain"), once for all folds.

    Source: G. Q. Sun, *Research on micro-expression recognition algorithms based on spatio-temporal analysis with
    deep learning*, master thesis, 2023, second algorithm. What the source states and what is our reading:
    docs/quintuplet.md.
    """

    Settings = schema.Settings
    CURVES = ("classification",)
    ablations = staticmethod(ablations)
    without = staticmethod(without)

    def __init__(self, settings: schema.Settings, shapes: Shapes) -> None:
        raise_all(setting_errors(settings, shapes))
        self.settings, self.shapes = settings, shapes
        self._model = Model(settings, shapes)
        self._contrast = settings.contrast.weight if len(self._model.views) == 2 else 0.0

    def needs(self) -> frozenset[Need]:
        """The views in use, and macro clips where a term reads them."""
        views = self._model.views
        return frozenset((*views, "macro") if uses_macro(self.settings) else views)

    def stages(self) -> tuple[Stage, ...]:
        """MNet first, where it is on, on macro clips alone if asked; then the joint stage, in which it may go on."""
        train, m = self.settings.train, self.settings.mask
        schedule = Schedule(train.warmup, train.decay)
        mnet, joint = (
            Update("mask", MNET, self._optimiser(m.lr)),
            Update("joint", RECOGNISER, self._optimiser(train.lr)),
        )
        if not m.enabled:
            return (Stage("joint", train.steps, (joint,), schedule),)
        updates = (mnet, joint) if m.finetune else (joint,)
        own = (Stage("mask", m.steps, (mnet,), schedule), Stage("joint", train.steps, updates, schedule))
        return (*self._pretraining(), *own)

    def _pretraining(self) -> tuple[Stage, ...]:
        """MNet on macro clips alone, where it is on; its optimiser is no setting, so that more trials share it."""
        p = self.settings.pretrain
        if not p.steps:
            return ()
        update = Update("pretrain", PRETRAINED, Optimiser("adamw", p.lr))
        return (Stage("pretrain", p.steps, (update,), Schedule(WARM_UP), shared=SHARED),)

    def _optimiser(self, lr: float) -> Optimiser:
        train = self.settings.train
        return Optimiser(train.optimiser, lr, train.weight_decay, train.clip_norm)

    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        """Single clips for MNet, macro clips alone for its pretraining, quintuplets for the joint loss."""
        settings, shapes = self.settings, self.shapes
        steps = stage.steps * update.repeats
        if update.loss == "pretrain":
            return sampling.macro_plan(
                rng, training, len(shapes.macro_emotions), (steps, settings.pretrain.batch)
            )
        if update.loss == "mask":
            classes = (len(shapes.emotions), len(shapes.macro_emotions))
            shape = (steps, settings.mask.batch)
            return sampling.clip_plan(
                rng, training, classes, shape, settings.batch.balance, settings.mask.macro
            )
        hard = hard_types.resolve(settings.hard_types, shapes.emotions, shapes.macro_emotions, training)
        macro = settings.quintuplet.macro and settings.quintuplet.weight > 0
        return sampling.quintuplet_plan(rng, training, hard, settings.batch, steps, macro)

    def init(self, key: int) -> tuple[Parameters, State]:
        """Fresh parameters; there is no state."""
        return self._model.initial(key), {}

    def loss(
        self, name: str, parameters: Parameters, state: State, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, State, Logs]:
        """`mask` and `pretrain`: MNet's cross entropies. `joint`: cross entropy + quintuplet + contrast."""
        views = self._model.training_views(batch, key, step)
        if name in ("mask", "pretrain"):
            loss, logs = self._mask_loss(parameters, batch, views)
        else:
            loss, logs = self._joint_loss(parameters, batch, views, key, step)
        return loss, state, logs

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits, averaged over the clip and its mirror image; maps of the mask (off: of the attention) over time."""
        del state
        views = self._model.load(batch, "micro")
        logits, maps = self._predict_views(parameters, views)
        if not self.settings.predict_mirrored:
            return logits, maps
        mirrored_logits, mirrored_maps = self._predict_views(parameters, mirror(views))
        return (logits + mirrored_logits) / 2, (maps + mirrored_maps.flip(-1)) / 2

    def inspect(self, parameters: Parameters, state: State, batch: Batch) -> Logs:
        """The fused feature; how much of the clip the mask lets through; how well the two views agree."""
        del state
        features, masks = self._model.recognise(parameters, self._model.load(batch, "micro"))
        seen = {"feature": features.fused}
        if masks is not None:
            seen["mask_coverage"] = masks.mean((1, 2, 3))
        if len(self._model.views) == 2:
            rgb, flow = (unit(features.views[view]) for view in ("rgb", "flow"))
            seen["view_agreement"] = (rgb * flow).sum(1)
        return seen

    def _predict_views(self, parameters: Parameters, views: Views) -> tuple[Tensor, Tensor]:
        features, masks = self._model.recognise(parameters, views)
        logits = self._model.call("classifier", parameters, features.fused)
        if masks is None:
            return logits, peak_map(features.attention, MAP)
        return logits, resize(masks.mean(1, keepdim=True), MAP)[:, 0]

    def _mask_loss(self, parameters: Parameters, batch: Batch, views: Views) -> tuple[Tensor, Logs]:
        m = self.settings.mask
        evidence, region = self._model.evidence(parameters, views)
        logits = action_unit_logits(evidence, region, m.sharpness)
        parts = torch.split(logits, [len(batch[f"{kind}.emotion"]) for kind in kinds(batch)])
        total, logs = torch.zeros_like(logits[0, 0]), Logs()
        for kind, part in zip(kinds(batch), parts, strict=True):
            terms = mask_terms(
                part,
                self._model.call("mnet_heads", parameters, part, kind),
                batch[f"{kind}.action_units"],
                batch[f"{kind}.annotated"],
                batch[f"{kind}.emotion"],
                m.positive,
            )
            total = total + terms.action_units + m.emotion * terms.emotion
            logs |= {f"{kind}_action_units": terms.action_units, f"{kind}_emotion": terms.emotion}
        return total, logs

    def _joint_loss(
        self, parameters: Parameters, batch: Batch, views: Views, key: Tensor, step: Tensor
    ) -> tuple[Tensor, Logs]:
        settings, emotion = self.settings, batch["micro.emotion"]
        features, masks = self._model.recognise(parameters, views)
        micro = features.fused[: len(emotion)]
        kept = stateless.dropout(micro, settings.classifier.dropout, key, step, DROPOUT_SITE)
        logits = self._model.call("classifier", parameters, kept)
        loss = cross_entropy(logits, emotion, batch["weight"], settings.classifier.label_smoothing)
        logs = {"classification": loss, "accuracy": (logits.argmax(1) == emotion).to(loss.dtype).mean()}
        if masks is not None:
            logs["mask_mean"] = masks.mean()
        ramp = self._ramp(step, loss)
        if settings.quintuplet.weight > 0:
            term, masked = self._quintuplet(unit(features.fused), batch)
            loss, logs = (
                loss + settings.quintuplet.weight * ramp * term,
                {**logs, "quintuplet": term, **masked},
            )
        if self._contrast > 0:
            term = self._info_nce(features, emotion)
            loss, logs = loss + self._contrast * ramp * term, {**logs, "contrast": term}
        return loss, logs

    def _info_nce(self, features: Features, emotion: Tensor) -> Tensor:
        rgb, flow = (unit(features.views[view][: len(emotion)]) for view in ("rgb", "flow"))
        return info_nce(rgb, flow, emotion, self.settings.contrast.temperature)

    def _quintuplet(self, features: Tensor, batch: Batch) -> tuple[Tensor, Logs]:
        q = self.settings.quintuplet
        members = list(features.reshape(-1, self.settings.batch.quintuplets, features.shape[1]))
        valid = [batch["micro_valid"], *([batch["macro_valid"]] if "macro" in kinds(batch) else [])]
        loss = quintuplet_loss(
            Quintuplets.of(members, valid),
            margin_micro=q.margin_micro,
            margin_macro=q.margin_macro,
            alpha=q.alpha,
            cross=q.cross,
        )
        return loss, {f"masked_{kind}": 1 - v.mean() for kind, v in zip(kinds(batch), valid, strict=True)}

    def _ramp(self, step: Tensor, like: Tensor) -> Tensor:
        """Weight of quintuplet and contrast: rises linearly over the ramp, then 1."""
        rise = max(1.0, self.settings.train.ramp * self.settings.train.steps)
        return ((step + 1) / rise).clamp(max=1).to(like.dtype)
