"""The same key gives the same numbers, another key gives others."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from mersearch.data.folds import folds
from mersearch.testing.comparing import changed, same
from mersearch.testing.subject import SEED, Subject, batch_of, fitted, start, updates
from mersearch.training import Fitted


class RepeatsContract(Subject):
    """Nothing but keys decides what is drawn."""

    def test_the_start_is_a_function_of_the_key(self) -> None:
        """Equal for equal keys, other for another; float32 on the CPU."""
        algorithm = self.build(self.data())
        first, again, other = (Fitted(*algorithm.init(key), {}) for key in (1, 1, 2))
        assert not changed(first, again), "init(1) twice"
        assert changed(first, other), "init(1) and init(2) are the same"
        for name, value in first.parameters.items():
            assert value.dtype == torch.float32, f"{name} is {value.dtype}"
            assert value.device.type == "cpu", f"{name} is on {value.device}"

    def test_a_loss_is_a_function_of_its_arguments(self) -> None:
        """Twice the same call, twice the same bits: nothing is drawn from elsewhere or changed in place."""
        data = self.data()
        algorithm = self.build(data)
        for stage, update in updates(algorithm):
            begun = start(algorithm, 1, torch.float32)
            batch = batch_of(algorithm, data, folds(data)[0], stage, update, 1, torch.float32)
            given = {"parameter": begun[0], "state": begun[1], "batch": batch}
            before = {kind: _copied(tensors) for kind, tensors in given.items()}
            results = []
            for seed in (1, 2):
                with global_generators(seed), torch.no_grad():
                    loss, state, logs = algorithm.loss(
                        update.loss, *begun, batch, torch.tensor(5), torch.tensor(1)
                    )
                results.append(Fitted(_copied({"loss": loss, **logs}), _copied(state), {}))
            where = f"stage {stage.name}, loss {update.loss}"
            for kind, tensors in given.items():
                for name, value in tensors.items():
                    assert same(value, before[kind][name]), f"{where}: {kind} {name} is changed in place"
            assert not changed(*results), f"{where} called twice"

    def test_the_same_seed_gives_the_same_bits_whatever_the_global_generators(self) -> None:
        """Training of one fold, twice."""
        data = self.data()
        found = []
        for seed in (1, 2):
            with global_generators(seed):
                found.append(fitted(self.build(data), data, folds(data)[0]))
        assert not changed(*found)

    def test_another_seed_gives_other_numbers(self) -> None:
        """Start, batches or draws depend on the key that they are given."""
        data = self.data()
        first, other = (fitted(self.build(data), data, folds(data)[0], seed) for seed in (SEED, SEED + 1))
        assert changed(first, other), "two seeds give the same bits"


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


@contextmanager
def global_generators(seed: int) -> Iterator[None]:
    """The global generators of torch, NumPy and Python at a known place, and back where they were afterwards."""
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002 (what an algorithm must not use)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy)  # noqa: NPY002
            random.setstate(python)
