from __future__ import annotations

import pytest

from tests.every import EVERY
from tests.tiny import Tiny, make


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
