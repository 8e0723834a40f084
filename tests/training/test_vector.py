"""Parameters in one vector: groups, gradients, alignment."""

from __future__ import annotations

import torch

from mersearch.algorithm import Optimiser
from mersearch.training import optimisers
from mersearch.training.vector import Vector

PARAMETERS = {
    name: torch.arange(1.0, 1 + n)
    for name, n in (("net.head.w", 3), ("net.a.w", 20), ("net.header", 1), ("b", 16), ("net.head.b", 2))
}


def test_a_group_is_whole_components_of_names_in_as_few_slices_as_possible() -> None:
    vector = Vector(PARAMETERS, torch.device("cpu"), torch.float64)
    parameters, slices = vector.select(("net.head", "b"))
    trained = {name for name, value in parameters.items() if value.requires_grad}
    assert trained == {"net.head.w", "net.head.b", "b"}
    assert [part.count_nonzero() for part in slices] == [16, 5]
    assert list(parameters) == list(PARAMETERS)


def test_gradients_arrive_in_the_slices_and_steps_in_every_view() -> None:
    vector = Vector(PARAMETERS, torch.device("cpu"), torch.float64)
    parameters, slices = vector.select(("net.head",))
    torch.autograd.backward((parameters["net.head.w"] * parameters["net.a.w"][:3]).sum())
    optimisers.build(Optimiser("sgd", lr=1.0), slices).step()
    moved = vector.all_frozen()
    # Nesterov's first step with momentum 0.9 is 1.9 times the gradient, here (1, 2, 3).
    expected = torch.tensor([1.0, 2, 3], dtype=torch.float64) * (1 - 1.9)
    torch.testing.assert_close(moved["net.head.w"], expected, rtol=0, atol=1e-12)
    assert torch.equal(parameters["net.head.w"].detach(), moved["net.head.w"])
    assert torch.equal(moved["net.a.w"], PARAMETERS["net.a.w"].double())


def test_every_tensor_starts_at_a_multiple_of_64_bytes() -> None:
    vector = Vector(PARAMETERS, torch.device("cpu"), torch.float32)
    starts = [value.data_ptr() - vector.values.data_ptr() for value in vector.all_frozen().values()]
    assert all(start % 64 == 0 for start in starts)
