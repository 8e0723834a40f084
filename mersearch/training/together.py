"""A loss that is written for one fold, on the stacked tensors of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from mersearch.algorithm import Algorithm, Logs, Parameters, State


class _Unread(Exception):
    """A loss reads a tensor that has not been gathered yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Known(Mapping[str, Tensor]):
    """The batch inside the program: every name is there, and what was gathered can be read."""

    __slots__ = ("_gathered", "_names")

    def __init__(self, names: Mapping[str, object], gathered: Mapping[str, Tensor]) -> None:
        self._names, self._gathered = names, gathered

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._gathered and name in self._names:
            raise _Unread(name)
        return self._gathered[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Together:
    """The loss `name` of F folds at once.

    Only what the loss reads is gathered. What that is, is found by running it: a loss that meets a tensor which is
    not there is started again with it, so the first step runs once more for every tensor that is read.
    """

    def __init__(self, algorithm: Algorithm, name: str) -> None:
        self._algorithm, self._name = algorithm, name
        self._read: list[str] = []

    def __call__(
        self, parameters: Parameters, state: State, batch: Mapping[str, Tensor], keys: Tensor, step: Tensor
    ) -> tuple[Tensor, State, Logs]:
        """Losses [F], the next state and the logs; every tensor has the fold as its first axis, but for `step`."""
        while True:
            gathered = {name: batch[name] for name in self._read}
            try:
                return self._run(parameters, state, batch, gathered, keys, step)
            except _Unread as missing:
                self._read.append(missing.name)

    def _run(
        self,
        parameters: Parameters,
        state: State,
        batch: Mapping[str, Tensor],
        gathered: dict[str, Tensor],
        keys: Tensor,
        step: Tensor,
    ) -> tuple[Tensor, State, Logs]:
        def one(
            own: Parameters, before: State, seen: dict[str, Tensor], key: Tensor
        ) -> tuple[Tensor, State, Logs]:
            return self._algorithm.loss(self._name, own, before, _Known(batch, seen), key, step)

        result: tuple[Tensor, State, Logs] = torch.func.vmap(one)(parameters, state, gathered, keys)
        return result
