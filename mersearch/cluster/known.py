"""Words that other programs know."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml


@cache
def known(program: str) -> frozenset[str]:
    """Options of `sbatch`; keys of a machine on `aws` and `gcp`; the words of a `dockerfile` or of `apptainer`."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return frozenset(yaml.safe_load(text)[program])
