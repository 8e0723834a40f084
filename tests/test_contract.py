"""Every algorithm that is shipped, and the toy of the tests, pass the contract suite."""

from __future__ import annotations

from typing import ClassVar

from mersearch.testing import AlgorithmContract
from tests.every import DISENTANGLE, QUINTUPLET


class TestToy(AlgorithmContract):
    algorithm = "tests.toy:Toy"
    settings: ClassVar = {"steps": 8, "macro": True, "clip_norm": 0.5}
    overfit: ClassVar = {"steps": 60}


class TestQuintuplet(AlgorithmContract):
    """Pretrained, so that the suite sees a shared stage; without one it is what most other tests train."""

    algorithm = "trainables.quintuplet:Quintuplet"
    settings: ClassVar = {**QUINTUPLET, "pretrain": {"steps": 3, "batch": 4}}
    overfit: ClassVar = {"train": {"steps": 40}, "mask": {"steps": 10}, "attention": {"heads": 9}}
    flow_only: ClassVar = {"views": "flow"}


class TestDisentangle(AlgorithmContract):
    algorithm = "trainables.disentangle:Disentangle"
    settings: ClassVar = DISENTANGLE
    overfit: ClassVar = {"emotion": {"steps": 30}, "train": {"steps": 20}, "batch": {"size": 12}}
    flow_only: ClassVar = {"identity": {"view": "flow"}}
