"""One copy of the clips for several processes of a machine."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mersearch.algorithm import Labels, Shapes
from mersearch.training.device import DeviceClips, DeviceData

_ALIGN = 64


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor lies in the block."""

    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class _Kind:
    ids: tuple[str, ...]
    labels: Labels
    places: dict[str, _Place]
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What lies in a block, and where: small and picklable; with the block's file descriptor it gives the data."""

    size: int
    micro: _Kind
    macro: _Kind | None
    shapes: Shapes

    def open(self, descriptor: int) -> DeviceData:
        """The data in the block of `descriptor`, without a copy; what is written there, this process sees alone."""
        block = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_COPY)
        macro = None if self.macro is None else _clips(self.macro, block)
        return DeviceData(_clips(self.micro, block), macro, self.shapes, torch.device("cpu"))


class SharedData:
    """A block of memory that other processes map; it is no file of any folder and goes with its last user.

    Attributes:
        descriptor: file descriptor of the block; it may be handed to a process that is started.
        layout: what lies in it.
    """

    def __init__(self, data: DeviceData) -> None:
        """Copy `data`, which is on the processor, into a new block."""
        kinds = {"micro": data.micro, **({"macro": data.macro} if data.macro is not None else {})}
        places, size = _places({name: clips.tensors for name, clips in kinds.items()})
        self.descriptor = _block(max(1, size))
        with mmap.mmap(self.descriptor, max(1, size)) as block:
            for name, clips in kinds.items():
                for field, place in places[name].items():
                    _fill(block, place, clips.tensors[field])
        found = {
            name: _Kind(clips.ids, clips.labels, places[name], clips.subjects)
            for name, clips in kinds.items()
        }
        self.layout = Layout(max(1, size), found["micro"], found.get("macro"), data.shapes)

    def open(self) -> DeviceData:
        """The data, backed by the block."""
        return self.layout.open(self.descriptor)

    def close(self) -> None:
        """Let go of the block; data that were opened stay valid."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def _places(
    tensors: Mapping[str, Mapping[str, Tensor]],
) -> tuple[dict[str, dict[str, _Place]], int]:
    places: dict[str, dict[str, _Place]] = {}
    offset = 0
    for kind, fields in tensors.items():
        places[kind] = {}
        for name, tensor in fields.items():
            places[kind][name] = _Place(offset, tuple(tensor.shape), tensor.dtype)
            offset += -(-tensor.numel() * tensor.element_size() // _ALIGN) * _ALIGN
    return places, offset


def _block(size: int) -> int:
    """A file descriptor of `size` bytes that belong to no file, where the system has such."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("mersearch")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def _fill(block: mmap.mmap, place: _Place, tensor: Tensor) -> None:
    if tensor.numel():
        _view(block, place).copy_(tensor)


def _view(block: mmap.mmap, place: _Place) -> Tensor:
    count = torch.Size(place.shape).numel()
    if not count:
        return torch.empty(place.shape, dtype=place.dtype)
    flat = torch.frombuffer(block, dtype=place.dtype, count=count, offset=place.offset)
    return flat.view(place.shape)


def _clips(kind: _Kind, block: mmap.mmap) -> DeviceClips:
    tensors = {name: _view(block, place) for name, place in kind.places.items()}
    return DeviceClips(kind.ids, kind.labels, tensors, kind.subjects)
