"""Equal to the bit, and equal within the accuracy of the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mersearch.training import Fitted

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
"""Largest difference, of 1 or of the largest magnitude of a tensor where that is more."""


def changed(a: Fitted, b: Fitted) -> set[str]:
    """Names of the parameters, states and diagnostics that differ in any bit or shape."""
    found = {f"parameter {name}" for name in _different(a.parameters, b.parameters)}
    found |= {f"state {name}" for name in _different(a.state, b.state)}
    keys = a.diagnostics.keys() | b.diagnostics.keys()
    return found | {
        f"diagnostic {key}" for key in keys if repr(a.diagnostics.get(key)) != repr(b.diagnostics.get(key))
    }


def require_close(found: Tensor, expected: Tensor, what: str) -> None:
    """Fail the test where `found` is not `expected` within `TOLERANCE`."""
    assert found.shape == expected.shape, (
        f"{what} has shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
    )
    if not expected.numel():
        return
    exact = found.to(expected.dtype).double(), expected.double()
    scale = max(1.0, float(expected.double().abs().nan_to_num().max()))
    limit = TOLERANCE.get(expected.dtype, 0.0) * scale
    close = torch.isclose(*exact, rtol=0, atol=limit, equal_nan=True)
    assert close.all(), f"{what} differs by {float((exact[0] - exact[1]).abs().max()):.2g}, over {limit:.2g}"


def _different(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> set[str]:
    return {
        name for name in a.keys() | b.keys() if name not in a or name not in b or not same(a[name], b[name])
    }


def same(a: Tensor, b: Tensor) -> bool:
    """Whether every bit is equal; NaN equals NaN."""
    return torch.equal(a.nan_to_num(), b.nan_to_num()) and torch.equal(a.isnan(), b.isnan())
