"""A whole optimiser step as one CUDA graph, replayed without the host.

Small networks leave a card idle between their many short operations. Here everything that changes from step to step
lives in tensors on the device (the row of the plan, the learning rate, the algorithm's state), so that gathering,
forward, backward and optimiser are recorded once per update and replayed. Shapes are fixed and nothing is read back.
Source: "CUDA graphs" in the notes of PyTorch on CUDA semantics, whole-network capture.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mersearch.algorithm import State

WARM = 3
"""Runs before the capture, in which libraries choose kernels and optimisers allocate their state."""


class Replayed:
    """A step that is run as it is on processors, and recorded once and replayed on a card."""

    def __init__(self, body: Callable[[], None], device: torch.device, restore: Callable[[], None]) -> None:
        """Prepare `body`.

        Args:
            body: reads and changes tensors in place only.
            device: where they are.
            restore: undoes what `body` did to them.
        """
        self._body = body
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type != "cuda":
            body()
            restore()
            return
        side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(WARM):
                body()
                restore()
        torch.cuda.current_stream(device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            body()

    def __call__(self) -> None:
        """One step."""
        if self._graph is None:
            self._body()
        else:
            self._graph.replay()


class Snapshot:
    """Values of tensors, to be written back into them."""

    def __init__(self, *tensors: Tensor) -> None:
        self._pairs = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def restore(self) -> None:
        """Write them back."""
        with torch.no_grad():
            for tensor, before in self._pairs:
                tensor.copy_(before)


def owned(state: State) -> State:
    """Copies, so that a captured step may change tensors in place whatever a loss returns of them."""
    return {name: value.clone() for name, value in state.items()}
