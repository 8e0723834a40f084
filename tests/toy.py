"""A small real algorithm, and a small data set whose classes can be told apart."""

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
    Labels,
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
from mersearch.data.clips import Clips, DataSet


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


def toy_labels(subjects: tuple[int, ...], classes: int, rng: np.random.Generator) -> Labels:
    """`subjects[k]` clips of subject k; classes take turns within a subject."""
    subject = np.repeat(np.arange(len(subjects)), subjects)
    emotion = np.concatenate([(np.arange(n) + k) % classes for k, n in enumerate(subjects)])
    units = rng.random((len(subject), 4)) < 0.4
    return Labels(emotion, subject, units, units.any(1))


def toy_clips(
    labels: Labels, kind: str, frames: int, size: int, signal: float, rng: np.random.Generator
) -> Clips:
    """Noise, plus `signal` times a pattern of the class in the flow."""
    shape = len(labels), 3, frames, size, size
    patterns = np.random.Generator(np.random.PCG64(7)).choice([-30.0, 30.0], size=(16, 3, 1, size, size))
    flow = signal * patterns[labels.emotion] + 30 * rng.standard_normal(shape)
    names = tuple(f"{kind}/{k:02d}" for k in range(int(labels.subject.max()) + 1))
    return Clips(
        ids=tuple(f"{names[k]}/{i:03d}" for i, k in enumerate(labels.subject)),
        rgb=rng.integers(0, 256, shape).astype(np.uint8),
        flow=flow.clip(-127, 127).astype(np.int8),
        labels=labels,
        subjects=names,
    )


def toy_dataset(
    subjects: tuple[int, ...] = (5, 3, 1, 4, 6),
    *,
    classes: int = 3,
    frames: int = 2,
    size: int = 6,
    macro: bool = False,
    signal: float = 1.0,
    seed: int = 0,
) -> DataSet:
    """Micro clips (5 subjects, 19 clips unless told) and, if asked, 14 macro clips of other people."""
    rng = np.random.Generator(np.random.PCG64(seed))
    micro = toy_clips(toy_labels(subjects, classes, rng), "micro", frames, size, signal, rng)
    other = toy_clips(toy_labels((7, 7), 4, rng), "macro", frames, size, signal, rng) if macro else None
    shapes = Shapes(
        frames=frames,
        size=size,
        views=("rgb", "flow"),
        emotions=tuple(f"class{i}" for i in range(classes)),
        macro_emotions=tuple(f"macro{i}" for i in range(4)) if macro else (),
        action_units=(1, 2, 4, 12),
        subjects=len(subjects),
    )
    return DataSet(micro, other, shapes, digest="toy")
