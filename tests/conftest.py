from __future__ import annotations

import pytest

from tests.tiny import Tiny, make


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Databases on disk, and `runs/tiny`: an undisturbed search by one worker."""
    tiny = make(tmp_path_factory.mktemp("tiny"))
    tiny.do("launch", "tiny.yaml")
    return tiny
