"""A small real algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import cross_entropy, interpolate

from mersearch import stateless
from mersearch.algorithm import (
    Batch,
    Logs,
    Need,
    Optimiser,
    Parameters,
    Plan,
    Shapes,
    Stage,
    State,
    Training,
    Update,
    bounded,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of `Toy`."""

    steps: int = bounded(30, ge=0)
    batch: int = bounded(8, ge=1)
    width: int = bounded(6, ge=1)
    dropout: float = bounded(0.2, ge=0, lt=1)
    lr: float = bounded(1e-2, gt=0)
    optimiser: Literal["adamw", "sgd"] = "adamw"
    clip_norm: float = bounded(0.0, ge=0)
    macro: bool = False


class Toy:
    """One hidden layer on the flow's mean over time; a linear probe for the subject on its features."""

    Settings = Settings

    def __init__(self, settings: Settings, shapes: Shapes) -> None:
        self.settings, self.shapes = settings, shapes

    def needs(self) -> frozenset[Need]:
        return frozenset({"flow", "macro"} if self.settings.macro else {"flow"})

    def stages(self) -> tuple[Stage, ...]:
        s = self.settings
        optimiser = Optimiser(s.optimiser, s.lr, weight_decay=1e-2, clip_norm=s.clip_norm)
        emotion = Update("emotion", ("features", "head"), optimiser)
        probe = Update("probe", ("probe",), Optimiser(s.optimiser, s.lr), repeats=2)
        main = Stage("main", s.steps, (emotion, probe))
        macro = Stage("macro", s.steps, (Update("macro", ("features", "macro_head"), optimiser),))
        return (macro, main) if s.macro else (main,)

    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        shape = stage.steps * update.repeats, self.settings.batch
        kind = "macro" if update.loss == "macro" else "micro"
        labels = training.macro if kind == "macro" else training.micro
        assert labels is not None
        return {kind: rng.integers(len(labels), size=shape), "sign": rng.choice([-1.0, 1.0], size=shape)}

    def init(self, key: int) -> tuple[Parameters, State]:
        s, shapes = self.settings, self.shapes
        layers = {
            "features": Linear(3 * shapes.size**2, s.width, bias=False, device="meta"),
            "head": Linear(s.width, len(shapes.emotions), device="meta"),
            "probe": Linear(s.width, shapes.subjects, device="meta"),
            "macro_head": Linear(s.width, max(1, len(shapes.macro_emotions)), device="meta"),
        }
        return stateless.initialise(torch.nn.ModuleDict(layers), key), {"average": torch.zeros(())}

    def loss(
        self, name: str, parameters: Parameters, state: State, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, State, Logs]:
        kind = "macro" if name == "macro" else "micro"
        flow = batch[f"{kind}.flow"]
        mirrored = torch.cat((flow[:, :1] * batch["sign"][:, None, None, None, None], flow[:, 1:]), 1)
        features = stateless.dropout(self.features(parameters, mirrored), self.settings.dropout, key, step, 0)
        head = {"emotion": "head", "probe": "probe", "macro": "macro_head"}[name]
        logits = features @ parameters[f"{head}.weight"].T + parameters[f"{head}.bias"]
        target = batch[f"{kind}.subject" if name == "probe" else f"{kind}.emotion"]
        loss = cross_entropy(logits, target)
        correct = (logits.argmax(-1) == target).to(logits.dtype).mean()
        return loss, {"average": 0.9 * state["average"] + 0.1 * loss}, {"accuracy": correct}

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> tuple[Tensor, Tensor]:
        flow = batch["micro.flow"]
        features = self.features(parameters, flow)
        maps = interpolate(flow.abs().mean((1, 2))[:, None], size=(14, 14), mode="bilinear")[:, 0]
        return features @ parameters["head.weight"].T + parameters["head.bias"], maps

    @staticmethod
    def features(parameters: Parameters, flow: Tensor) -> Tensor:
        return torch.relu(flow.mean(2).flatten(1) @ parameters["features.weight"].T)
