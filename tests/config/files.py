"""A valid configuration file, to which the tests add."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

HEAD = """\
defaults:
  - data: synthetic
  - macro: none
  - _self_
algorithm:
  name: tests.config.example:Example
"""
SPACE = """\
space:
  algorithm:
    loss:
      weight: {low: 0.1, high: 3.0, log: true, why: a weight}
      macro: {choices: [true, false]}
      margin: {low: 0.1, high: 1, when: {algorithm.loss.macro: true}}
    steps: {low: 10, high: 40}
"""
Write = Callable[..., Path]
