"""Shared results."""

from __future__ import annotations

import pytest

from mersearch.training import FoldResult
from tests.folded import FOLDS, toy, train


@pytest.fixture(scope="module")
def together() -> list[FoldResult]:
    return train(toy(), list(FOLDS))
