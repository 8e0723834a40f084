"""Algorithms that break one rule each, in the way in which it happens."""

from __future__ import annotations

import dataclasses
import inspect
import zlib
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mersearch.algorithm import (
    Batch,
    Logs,
    Need,
    Parameters,
    Plan,
    Stage,
    State,
    Training,
    Update,
)
from mersearch.data.clips import DataSet
from tests.toy import Settings, Toy

Loss = tuple[Tensor, State, Logs]
Prediction = tuple[Tensor, Tensor]


class ReadsLabelsInPredict(Toy):
    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        return logits + batch["micro.emotion"][:, None], maps


class RemembersPredictedClips(Toy):
    """Later folds start from what it saw when it predicted earlier ones."""

    shift: float = 0.0

    def init(self, key: int) -> tuple[Parameters, State]:
        parameters, state = super().init(key)
        return {name: value + self.shift for name, value in parameters.items()}, state

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        self.shift = float(batch["micro.flow"].mean())
        return super().predict(parameters, state, batch)


class RemembersPlannedLabels(Toy):
    """The most frequent class of all folds so far, whose training clips are the others' held-out clips."""

    seen: Tensor | None = None

    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        counts = torch.bincount(torch.tensor(training.micro.emotion), minlength=3)
        self.seen = counts if self.seen is None else self.seen + counts
        return super().plan(stage, update, training, rng)

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        return (logits if self.seen is None else logits + self.seen), maps


class LooksBehindThePlan(Toy):
    """Reads the whole data set where the platform has it, as from a file that it opens itself."""

    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        clips = _whole_data().micro
        assert clips.flow is not None
        seen = zlib.crc32(clips.labels.emotion.tobytes() + clips.flow.tobytes())
        return super().plan(stage, update, training, np.random.Generator(np.random.PCG64(seen)))


def _whole_data() -> DataSet:
    frame = inspect.currentframe()
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, DataSet):
                return value
        frame = frame.f_back
    raise LookupError


class NormalisesOverTheBatch(Toy):
    """The mean over the clips that happen to be predicted together."""

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        flow = batch["micro.flow"]
        return super().predict(parameters, state, {"micro.flow": flow - flow.mean(0)})


class ForgetsTheLastClip(Toy):
    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        return logits[: max(1, len(logits) - 1)], maps


class MapsBeyondOne(Toy):
    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        return logits, 255 * maps


class MapsGrowBeyondOne(Toy):
    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        start, _ = self.init(1)
        moved = sum((parameters[name] - start[name]).abs().sum() for name in parameters)
        return logits, maps + (moved > 0)


class NeedsTwoClips(Toy):
    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        plan = super().plan(stage, update, training, rng)
        return plan | {"other": rng.integers(len(training.micro) - 1, size=(len(plan["sign"]), 1))}


class ReadsAnItem(Toy):
    def loss(self, name: str, *arguments: Any) -> Loss:
        loss, state, logs = super().loss(name, *arguments)
        return loss * (2.0 if loss.item() > 1 else 1.0), state, logs


class BranchesOnData(Toy):
    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        return (logits if logits.max() > 0 else -logits), maps


class RunningBatchNorm(Toy):
    """torch's batch norm updates its running mean in place."""

    def init(self, key: int) -> tuple[Parameters, State]:
        parameters, state = super().init(key)
        width = self.settings.width
        return parameters, {**state, "mean": torch.zeros(width), "variance": torch.ones(width)}

    def loss(self, name: str, parameters: Parameters, state: State, *arguments: Any) -> Loss:
        def features(values: Parameters, flow: Tensor) -> Tensor:
            plain = Toy.features(values, flow)
            return torch.nn.functional.batch_norm(plain, state["mean"], state["variance"], training=True)

        with_norm = Toy(self.settings, self.shapes)
        with_norm.features = features  # type: ignore[method-assign]
        loss, moved, logs = with_norm.loss(name, parameters, state, *arguments)
        return loss, {**moved, "mean": state["mean"], "variance": state["variance"]}, logs


class DrawsGlobally(Toy):
    def loss(self, name: str, *arguments: Any) -> Loss:
        loss, state, logs = super().loss(name, *arguments)
        return loss * torch.rand(()), state, logs


class StartsGlobally(Toy):
    def init(self, key: int) -> tuple[Parameters, State]:
        parameters, state = super().init(key)
        return {name: torch.randn_like(value) for name, value in parameters.items()}, state


class PlansGlobally(Toy):
    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        plan = super().plan(stage, update, training, rng)
        return {**plan, "sign": np.random.choice([-1.0, 1.0], size=plan["sign"].shape)}  # noqa: NPY002


class IgnoresItsKeys(Toy):
    def init(self, key: int) -> tuple[Parameters, State]:
        return super().init(0)

    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        return super().plan(stage, update, training, np.random.Generator(np.random.PCG64(0)))

    def loss(self, name: str, *arguments: Any) -> Loss:
        return super().loss(name, *arguments[:3], torch.tensor(0), arguments[4])


class CountsItsCalls(Toy):
    calls = 0

    def loss(self, name: str, *arguments: Any) -> Loss:
        self.calls += 1
        loss, state, logs = super().loss(name, *arguments)
        return loss / self.calls, state, logs


class DividesByTheSpreadOverTime(Toy):
    """Of one frame it is 0, and 0 / 0 is no number."""

    def loss(self, name: str, parameters: Parameters, state: State, batch: Batch, *rest: Any) -> Loss:
        kind = "macro" if name == "macro" else "micro"
        flow = batch[f"{kind}.flow"]
        centred = flow - flow.mean(2, keepdim=True)
        scaled = centred / centred.square().mean(2, keepdim=True).sqrt()
        return super().loss(name, parameters, state, {**batch, f"{kind}.flow": scaled}, *rest)


class NeedsTwoClasses(Toy):
    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        plan = super().plan(stage, update, training, rng)
        emotion = training.micro.emotion
        return {**plan, "negative": rng.choice(np.flatnonzero(emotion != emotion[0]), size=len(plan["sign"]))}


class NeedsAPairOfEveryClass(Toy):
    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        for emotion in np.unique(training.micro.emotion):
            rng.choice(np.flatnonzero(training.micro.emotion == emotion), size=2, replace=False)
        return super().plan(stage, update, training, rng)


class NeedsEveryClass(Toy):
    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        for emotion in range(len(self.shapes.emotions)):
            rng.choice(np.flatnonzero(training.micro.emotion == emotion))
        return super().plan(stage, update, training, rng)


class NeedsAnotherPerson(Toy):
    def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
        rng.choice(np.flatnonzero(training.micro.subject != training.micro.subject[0]))
        return super().plan(stage, update, training, rng)


class DropsSingleClips(Toy):
    """`squeeze` loses the axis of a batch of one clip."""

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        return logits.squeeze(0), maps


class AveragesActionUnits(Toy):
    def loss(self, name: str, parameters: Parameters, state: State, batch: Batch, *rest: Any) -> Loss:
        loss, moved, logs = super().loss(name, parameters, state, batch, *rest)
        kind = "macro" if name == "macro" else "micro"
        annotated = batch[f"{kind}.annotated"]
        return loss * (annotated.sum() / annotated.sum()), moved, logs


class ReadsMoreThanItNeeds(Toy):
    def predict(self, parameters: Parameters, state: State, batch: Batch) -> Prediction:
        logits, maps = super().predict(parameters, state, batch)
        return logits + batch["micro.rgb"].mean(), maps


class NeedsRgbAlways(Toy):
    def needs(self) -> frozenset[Need]:
        return super().needs() | {"rgb"}


class NeedsSound(Toy):
    def needs(self) -> frozenset[Need]:
        return frozenset({"flow", "sound"})  # type: ignore[arg-type]


class LearnsNothing(Toy):
    def loss(self, name: str, parameters: Parameters, state: State, batch: Batch, *rest: Any) -> Loss:
        loss, moved, logs = super().loss(name, parameters, state, batch, *rest)
        return 0 * loss, moved, logs


class LearnsOtherLabels(Toy):
    def loss(self, name: str, parameters: Parameters, state: State, batch: Batch, *rest: Any) -> Loss:
        kind = "macro" if name == "macro" else "micro"
        other = (batch[f"{kind}.emotion"] + 1) % 3
        return super().loss(name, parameters, state, {**batch, f"{kind}.emotion": other}, *rest)


class Explodes(Toy):
    def loss(self, name: str, *arguments: Any) -> Loss:
        loss, state, logs = super().loss(name, *arguments)
        return loss / (arguments[-1] != 5), state, logs


class InfiniteGradient(Toy):
    """√ has no derivative at 0."""

    def loss(self, name: str, parameters: Parameters, *rest: Any) -> Loss:
        loss, state, logs = super().loss(name, parameters, *rest)
        nothing = sum((0 * value).sum() for value in parameters.values())
        return loss + torch.sqrt(torch.as_tensor(nothing)), state, logs


class GrowsItsState(Toy):
    def loss(self, name: str, *arguments: Any) -> Loss:
        loss, state, logs = super().loss(name, *arguments)
        return loss, {**state, "last": loss}, logs


class NamesACurveNobodyLogs(Toy):
    CURVES = ("classification",)


class AblatesNothing(Toy):
    @staticmethod
    def ablations(settings: Settings) -> dict[str, dict[str, Any]]:
        return {"− gain": {"gain": 0.0}} if settings.steps else {}

    @dataclasses.dataclass(frozen=True)
    class Settings(Settings):
        gain: float = 1.0


class GivesUpTheWrongPart(Toy):
    @staticmethod
    def without(need: Need) -> dict[str, dict[str, Any]]:
        return {"the flow": {"width": 5}} if need == "flow" else {}


class AblatesAnUnknownSetting(Toy):
    @staticmethod
    def ablations(settings: Settings) -> dict[str, dict[str, Any]]:
        return {"− mask": {"mask.enabled": not settings.macro}}


class MutableSettings(Toy):
    @dataclasses.dataclass
    class Settings:
        steps: int = 3
        names: ClassVar[list[str]] = []


class InspectsTheBatch(Toy):
    def inspect(self, parameters: Parameters, state: State, batch: Batch) -> dict[str, Tensor]:
        logits, _ = self.predict(parameters, state, batch)
        return {"certainty": -cross_entropy(logits, logits.argmax(1))[None]}
