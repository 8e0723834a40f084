"""`disentangle`: diverse attention on what moves, and no information about whose face it is."""

from __future__ import annotations

from typing import ClassVar

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
from mersearch.errors import TrialFailure, raise_all
from trainables.blocks.augmentation import Views, mirror
from trainables.blocks.classification import cross_entropy
from trainables.blocks.clips import peak_map
from trainables.disentangle import information, sampling
from trainables.disentangle import settings as schema
from trainables.disentangle.ablations import ablations
from trainables.disentangle.checks import separates, setting_errors, without
from trainables.disentangle.divergence import overlap
from trainables.disentangle.model import CRITIC, DROPOUT_SITE, IDNET, MENET, Model

MAP = 14
"""Height and width of the maps that `predict` returns."""
FLAT = 1e-8
"""Variance below which a component counts as constant."""
ABSENT = -1e4
"""Added to the logits of subjects that the fold does not train on: they get no share and no gradient."""


class Disentangle:
    """IDNet on the subjects, MENet on the emotions, the critic on both, then MENet against the critic.

    Sources: G. Q. Sun, *Research on micro-expression recognition algorithms based on spatio-temporal analysis with
    deep learning*, master thesis, 2023, first algorithm; Xie, Sun, Sun, Lin and Ben, *Decoupling facial motion
    features and identity features for micro-expression recognition*, PeerJ Computer Science 8:e1140, 2022. What the
    sources state and what is our reading: docs/disentangle.md.
    """

    Settings = schema.Settings
    CURVES: ClassVar[tuple[str, ...]] = ("classification", "information", "overlap")
    ablations = staticmethod(ablations)
    without = staticmethod(without)

    def __init__(self, settings: schema.Settings, shapes: Shapes) -> None:
        raise_all(setting_errors(settings, shapes))
        self.settings, self.shapes = settings, shapes
        self._estimator = information.build(settings.information) if separates(settings) else None
        self._model = Model(settings, shapes, self._estimator)

    def needs(self) -> frozenset[Need]:
        """MENet's view, and IDNet's where it is on."""
        settings = self.settings
        return frozenset({settings.view, *([settings.identity.view] if self._estimator else [])})

    def stages(self) -> tuple[Stage, ...]:
        """Four stages; without IDNet the two of MENet; unstaged, one with every update."""
        train, identity, info = self.settings.train, self.settings.identity, self.settings.information
        schedule = Schedule(train.warmup, train.decay)
        idnet = Update("identity", IDNET, self._optimiser(identity.lr))
        emotion = Update("emotion", MENET, self._optimiser(self.settings.emotion.lr))
        critic = Update("critic", CRITIC, self._optimiser(info.lr), info.critic_steps)
        alone = Update("critic", CRITIC, self._optimiser(info.lr))
        separate = Update("separate", MENET, self._optimiser(train.lr))
        emotion_steps = self.settings.emotion.steps
        if not train.staged:
            updates = (idnet, critic, separate) if self._estimator else (separate,)
            return (Stage("joint", emotion_steps + train.steps, updates, schedule),)
        if self._estimator is None:
            return (
                Stage("emotion", emotion_steps, (emotion,), schedule),
                Stage("separate", train.steps, (separate,), schedule),
            )
        return (
            Stage("identity", identity.steps, (idnet,), schedule),
            Stage("emotion", emotion_steps, (emotion,), schedule),
            Stage("critic", info.steps, (alone,), schedule),
            Stage("separate", train.steps, (critic, separate), schedule),
        )

    def _optimiser(self, lr: float) -> Optimiser:
        train = self.settings.train
        return Optimiser(train.optimiser, lr, train.weight_decay, train.clip_norm)

    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        """Distinct clips, all equally likely, in every stage."""
        classes, steps = len(self.shapes.emotions), stage.steps * update.repeats
        return sampling.clip_plan(rng, training, classes, self.shapes.subjects, self.settings.batch, steps)

    def init(self, key: int) -> tuple[Parameters, State]:
        """Fresh parameters, and the estimator's state."""
        return self._model.initial(key), self._estimator.initial() if self._estimator else {}

    def loss(
        self, name: str, parameters: Parameters, state: State, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, State, Logs]:
        """`identity`, `emotion`, `critic`, or `separate` = emotion + λ_mi · information."""
        if name == "identity":
            loss, logs = self._identity(parameters, batch, key, step)
            return loss, state, logs
        if name == "critic":
            return self._critic(parameters, state, batch, key, step)
        loss, logs = self._emotion(parameters, batch, key, step, separating=name == "separate")
        return loss, state, logs

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits, averaged over the clip and its mirror image; maps of the attention over heads and time."""
        del state
        views = self._model.load(batch)
        logits, maps = self._predict_views(parameters, views)
        if not self.settings.predict_mirrored:
            return logits, maps
        mirrored_logits, mirrored_maps = self._predict_views(parameters, mirror(views))
        return (logits + mirrored_logits) / 2, (maps + mirrored_maps.flip(-1)) / 2

    def inspect(self, parameters: Parameters, state: State, batch: Batch) -> Logs:
        """The motion feature, and how alike the heads are."""
        del state
        feature, maps = self._model.motion(parameters, self._model.load(batch))
        alike = overlap(maps.flatten(2), self.settings.divergence.similarity)
        return {"feature": feature, "overlap": alike}

    def _predict_views(self, parameters: Parameters, views: Views) -> tuple[Tensor, Tensor]:
        feature, maps = self._model.motion(parameters, views)
        logits = self._model.call("classifier", parameters, feature)
        return logits, peak_map(maps.mean(1).sum(1), MAP)

    def _identity(
        self, parameters: Parameters, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, Logs]:
        """Cross entropy of the subject among those of the fold."""
        feature = self._model.augmented_identity(parameters, batch, key, step)
        logits = self._model.call("subjects", parameters, feature) + ABSENT * (1 - batch["present"])
        subject = batch["micro.subject"]
        loss = cross_entropy(logits, subject, torch.ones_like(logits[:, 0]), 0.0)
        return loss, {"accuracy": _accuracy(logits, subject)}

    def _critic(
        self, parameters: Parameters, state: State, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, State, Logs]:
        """The estimator's own loss; no gradient reaches the features."""
        estimator, weights = self._existing(), batch["pairs"]
        feature, _ = self._model.augmented_motion(parameters, batch, key, step)
        scores = self._scores(parameters, batch, feature)
        loss, moved = estimator.learn(scores, weights, state)
        logs = {"information": estimator.estimate(scores, weights), "ceiling": batch["ceiling"]}
        return loss, moved, logs

    def _emotion(
        self, parameters: Parameters, batch: Batch, key: Tensor, step: Tensor, separating: bool
    ) -> tuple[Tensor, Logs]:
        """Cross entropy + λ_div · overlap of the heads (+ λ_mi · information)."""
        settings, emotion = self.settings, batch["micro.emotion"]
        feature, maps = self._model.augmented_motion(parameters, batch, key, step)
        kept = stateless.dropout(feature, settings.classifier.dropout, key, step, DROPOUT_SITE)
        logits = self._model.call("classifier", parameters, kept)
        entropy = cross_entropy(logits, emotion, batch["weight"], settings.classifier.label_smoothing)
        alike = overlap(maps.flatten(2), settings.divergence.similarity).mean()
        logs = {"classification": entropy, "accuracy": _accuracy(logits, emotion), "overlap": alike}
        loss = entropy + settings.divergence.weight * alike
        if separating and self._estimator is not None:
            scores = self._scores(parameters, batch, feature)
            shared = self._estimator.estimate(scores, batch["pairs"])
            loss = loss + settings.information.weight * self._ramp(step, loss) * _at_least_zero(shared)
            logs |= {"information": shared, "ceiling": batch["ceiling"]}
        return loss, logs

    def _scores(self, parameters: Parameters, batch: Batch, feature: Tensor) -> Tensor:
        identity = self._model.identity(parameters, batch)
        scores: Tensor = self._model.call("critic", parameters, standardised(feature), standardised(identity))
        return scores

    def _existing(self) -> information.Estimator:
        if self._estimator is None:
            raise TrialFailure("a critic learns only where there is an information term", received="none")
        return self._estimator

    def _ramp(self, step: Tensor, like: Tensor) -> Tensor:
        """Weight of the information: rises linearly over the ramp of the last stage, then 1."""
        train = self.settings.train
        steps = train.steps if train.staged else self.settings.emotion.steps + train.steps
        rise = max(1.0, self.settings.information.ramp * steps)
        return ((step + 1) / rise).clamp(max=1).to(like.dtype)


def standardised(feature: Tensor) -> Tensor:
    """Every component [B] of a feature [B, D] with mean 0 and variance 1 over the batch.

    Information does not change when a component is shifted or scaled, but a critic sees less of a small one: without
    this, features would hide what they tell by telling it quietly.
    """
    centred = feature - feature.mean(0)
    return centred / centred.square().mean(0).add(FLAT).sqrt()


def _at_least_zero(information: Tensor) -> Tensor:
    """max(Î, 0); 0 · Î keeps −∞ and NaN visible, which the clamp alone would turn into a silent 0."""
    return information.clamp(min=0) + 0 * information


def _accuracy(logits: Tensor, label: Tensor) -> Tensor:
    return (logits.argmax(1) == label).to(logits.dtype).mean()
