"""Words that other programs know."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml


@cache
def known(program: str) -> frozenset[str]:
    """The words of a program, as known.yaml beside this file lists and explains them.

    Of `mersearch`, its `launch`, `sbatch`, `ray_start`, `providers` of ray up, `aws`, `gcp`, a `dockerfile` and
    `apptainer`.
    """
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return frozenset(yaml.safe_load(text)[program])
