from __future__ import annotations

import os

import pytest
import torch

from tests.every import EVERY
from tests.tiny import Tiny, make

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for what tests start: two of them run side by side
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Databases on disk, and `runs/tiny`: an undisturbed search by one worker."""
    tiny = make(tmp_path_factory.mktemp("tiny"))
    tiny.do("launch", "tiny.yaml")
    return tiny


@pytest.fixture(scope="module", params=EVERY)
def algorithm_name(request: pytest.FixtureRequest) -> str:
    """The name of one of the algorithms that the tests of training hold for, one after another."""
    value: str = request.param
    return value
