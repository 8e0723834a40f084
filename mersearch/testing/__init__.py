"""The contract suite that every algorithm passes, for the tests of your own; needs pytest.

```python
from mersearch.testing import AlgorithmContract

class TestMine(AlgorithmContract):
    algorithm = "mypackage.mine:Mine"
    settings = {"train": {"steps": 5}}
```
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in ("comparing", "stages", "repeats", "held_out", "shared", "fused", "small", "offers")
    )
)

from mersearch.testing.contract import AlgorithmContract  # noqa: E402 (asserts are rewritten on import)

__all__ = ["AlgorithmContract"]
