"""Mixed precision: other numbers on the same way, with parameters, state and results in float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch import numerics
from mersearch.algorithm import Algorithm, Batch, Parameters, State, settings_from
from mersearch.errors import ConfigError
from mersearch.testing.held_out import with_replaced
from mersearch.training import DeviceData, FoldResult, Pretraining, train_all, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import Fitted, fit
from mersearch.training.mixed import Mixed, in_precision
from mersearch.training.processes import Pool
from tests.every import DEVICE_DATA, EVERY, FOLDS, LIFELIKE, QUINTUPLET
from tests.toy import Settings, Toy
from trainables.quintuplet import Quintuplet

CLOSE = 0.05
"""How far logits may be from those in float32 after a few steps, as a share of the largest: three digits are left."""


@pytest.fixture(scope="module")
def algorithm(algorithm_name: str) -> Algorithm:
    return EVERY[algorithm_name](LIFELIKE.shapes)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(DEVICE_DATA, 1) as opened:
        yield opened


def train(algorithm: Algorithm, dtype: torch.dtype = torch.bfloat16, **options: Any) -> list[FoldResult]:
    return train_chunk(algorithm, DEVICE_DATA, FOLDS[:1], seed=3, dtype=dtype, **options)


def test_every_back_end_gives_about_what_float32_gives_and_the_loop_repeats_itself(
    algorithm: Algorithm, pool: Pool
) -> None:
    usual, loop, again, fused, processes = (
        train(algorithm, torch.float32),
        train(algorithm),
        train(algorithm),
        train(algorithm, backend="fused"),
        train(algorithm, backend="processes", pool=pool),
    )
    for exact, one, two, other, sent in zip(usual, loop, again, fused, processes, strict=True):
        assert one.logits.tobytes() != exact.logits.tobytes()
        assert one.logits.tobytes() == two.logits.tobytes() == sent.logits.tobytes()
        assert str(one.diagnostics) == str(two.diagnostics) == str(sent.diagnostics)
        assert one.logits.dtype == np.float32
        limit = CLOSE * max(1.0, float(abs(exact.logits).max()))
        assert abs(one.logits - exact.logits).max() < limit
        assert abs(other.logits - exact.logits).max() < limit
        assert one.diagnostics.keys() == exact.diagnostics.keys()


def test_what_is_trained_and_carried_on_stays_float32(algorithm: Algorithm) -> None:
    mixed, dtype = in_precision(algorithm, torch.bfloat16)
    fitted = fit(mixed, DEVICE_DATA, Split.of(FOLDS[0]), 3, dtype)
    kinds = {value.dtype for value in (*fitted.parameters.values(), *fitted.state.values())}
    assert kinds <= {torch.float32, torch.int64}
    parameters, _ = train_all(algorithm, DEVICE_DATA, 3, torch.bfloat16)
    assert {value.dtype for value in parameters.values()} == {torch.float32}


class Watching(Toy):
    """Notes the type of its features."""

    seen: set[torch.dtype]

    def features(self, parameters: Parameters, flow: Tensor) -> Tensor:  # type: ignore[override]
        found = Toy.features(parameters, flow)
        self.seen.add(found.dtype)
        return found

    def inspect(self, parameters: Parameters, state: State, batch: Batch) -> dict[str, Tensor]:
        return {"feature": self.features(parameters, batch["micro.flow"])}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_products_are_computed_in_the_precision_that_was_asked_for(dtype: torch.dtype) -> None:
    algorithm = Watching(Settings(steps=2), LIFELIKE.shapes)
    algorithm.seen = set()
    train(algorithm, dtype)
    assert algorithm.seen == {dtype}


def test_the_gradient_of_a_product_is_that_of_its_rounded_factors() -> None:
    """Two numbers that bfloat16 holds exactly, so that nothing is lost: as in float32."""

    class Product(Toy):
        def loss(self, name: str, parameters: Parameters, state: State, *_: Any) -> Any:
            return (parameters["a"] @ parameters["b"]).sum(), state, {}

    values = {"a": torch.tensor([[1.5, -2.0]]), "b": torch.tensor([[0.25], [3.0]])}
    leaves = {name: value.requires_grad_() for name, value in values.items()}
    mixed = Mixed(Product(Settings(), LIFELIKE.shapes))
    loss, _, _ = mixed.loss("any", leaves, {}, {}, torch.tensor(0), torch.tensor(0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert (loss.dtype, float(loss.detach())) == (torch.float32, 1.5 * 0.25 - 2.0 * 3.0)
    assert leaves["a"].grad is not None
    assert torch.equal(leaves["a"].grad, values["b"].detach().T)
    assert leaves["a"].grad.dtype == torch.float32


def test_held_out_clips_change_no_bit_in_mixed_precision_either(algorithm: Algorithm) -> None:
    mixed, dtype = in_precision(algorithm, torch.bfloat16)
    other = DeviceData.from_dataset(with_replaced(LIFELIKE, FOLDS[0].test, "noise"))
    fitted: list[Fitted] = [fit(mixed, data, Split.of(FOLDS[0]), 3, dtype) for data in (DEVICE_DATA, other)]
    for name, value in fitted[0].parameters.items():
        assert torch.equal(value, fitted[1].parameters[name]), name


def test_a_shared_stage_is_computed_in_the_same_precision_and_has_another_key() -> None:
    settings = settings_from(Quintuplet.Settings, {**QUINTUPLET, "pretrain": {"steps": 3, "batch": 4}})
    algorithm = Quintuplet(settings, LIFELIKE.shapes)
    kept = Pretraining()
    usual, mixed = (train(algorithm, dtype, pretraining=kept)[0] for dtype in (torch.float32, torch.bfloat16))
    assert usual.pretrained != mixed.pretrained
    loss = "pretrain.pretrain.loss"
    assert usual.diagnostics[loss] != mixed.diagnostics[loss]
    assert usual.diagnostics[loss] == pytest.approx(mixed.diagnostics[loss], rel=0.05)


def test_a_card_without_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mode: numerics.Mode = {"device": "cuda", "device_name": "Tesla T4", "precision": "bfloat16"}
    numerics.require_precision(mode)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(
        ConfigError, match=r"a card with bfloat16 arithmetic\n.*Tesla T4\n.*folds.precision=float32"
    ):
        numerics.require_precision(mode)
    numerics.require_precision({**mode, "precision": "float32"})
    numerics.require_precision({**mode, "device": "cpu"})
