"""Networks without parameters of their own: the parameters come with every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mersearch import stateless
from mersearch.algorithm import Parameters


class Networks:
    """Named networks on the meta device, and constants that are copied to a device once."""

    def __init__(self, build: Callable[[], dict[str, nn.Module]]) -> None:
        """`build` makes the networks; no memory is taken for their parameters."""
        self._constants: dict[tuple[str, torch.device, torch.dtype], Tensor] = {}
        with torch.device("meta"):
            self._networks = nn.ModuleDict(build())

    def initial(self, key: int) -> Parameters:
        """Fresh parameters `<network>.<parameter>`; only convolutions are followed by a rectifier."""
        linear = [name for name, layer in self._networks.named_modules() if not isinstance(layer, nn.Conv2d)]
        return stateless.initialise(self._networks, key, linear=linear)

    def call(self, name: str, parameters: Parameters, *inputs: Any) -> Any:
        """Run one network on `inputs` with its share of `parameters`."""
        prefix = f"{name}."
        own = {key[len(prefix) :]: value for key, value in parameters.items() if key.startswith(prefix)}
        return functional_call(self._networks[name], own, inputs, strict=True)

    def constant(self, name: str, like: Tensor, value: Callable[[], Tensor]) -> Tensor:
        """`value()` on the device of `like`, and in its precision if it is not an index; made once per place."""
        place = (name, like.device, like.dtype)
        if place not in self._constants:
            made = value()
            self._constants[place] = made.to(
                like.device, like.dtype if made.is_floating_point() else made.dtype
            )
        return self._constants[place]
