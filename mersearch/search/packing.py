"""How many trials share a card, from what one of them was measured to need; and which cards others use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mersearch.errors import ClusterError

GIB: Final = 2**30
SPARE: Final = 0.1
"""Share of a card's memory that is never planned for."""
ROOM: Final = 1.5
"""What a trial may need, as a multiple of what the configuration that was measured needs: others are larger."""
MOST: Final = 8
"""Trials on one card at the most: beyond, they only wait for each other."""
IDLE: Final = 1.0
"""GiB that may be occupied on a card which nobody uses, as by a display."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What training one chunk was measured to need.

    Attributes:
        peak: bytes on the card, the data set and the process's own share included.
        card: bytes of the whole card.
    """

    peak: int
    card: int

    @property
    def trials(self) -> int:
        """Trials that a card has room for; 0 where not even one is sure to fit."""
        return min(MOST, int(self.card * (1 - SPARE) / (self.peak * ROOM)))

    def text(self) -> str:
        """In words."""
        return f"{self.peak / GIB:.2g} GiB of {self.card / GIB:.3g}"


def share(memory: Memory, *, cpus: float, cores: float, cards: float) -> float:
    """Cards that one trial occupies: 1, or 1/n where n of them share a card.

    Args:
        memory: of one trial.
        cpus: cores of one trial.
        cores, cards: of the machine; no more trials share a card than it has cores for.

    >>> share(Memory(peak=2 * GIB, card=80 * GIB), cpus=2, cores=16, cards=2)
    0.25
    """
    by_cores = int(cores / (cpus * cards) + 1e-9)
    return part(max(1, min(memory.trials, by_cores)))


def part(trials: int) -> float:
    """1/trials, rounded down to the ten-thousandths that Ray counts in, so that all of them fit.

    >>> part(6)
    0.1666
    """
    return (10_000 // trials) / 10_000


def larger(gpus: float) -> float | None:
    """The next larger share of a card after the memory of it was exhausted; None where a trial has a card alone.

    >>> larger(0.25), larger(0.3), larger(0.5), larger(1.0)
    (0.5, 0.5, 1.0, None)
    """
    if not 0 < gpus < 1:
        return None
    trials = int(1 / gpus + 1e-9)
    return part(trials // 2) if trials > 2 else 1.0


def smaller(backend: str) -> str | None:
    """The back-end that trains the same folds with less memory of a card; None where there is none.

    >>> smaller("fused"), smaller("loop-graph"), smaller("loop")
    ('loop', 'loop', None)
    """
    return "loop" if backend in ("fused", "loop-graph", "fused-graph") else None


@dataclass(frozen=True, slots=True)
class Card:
    """A card of this machine, as its driver sees it."""

    index: int
    used: float
    """GiB."""
    total: float

    @property
    def idle(self) -> bool:
        """Whether nobody uses it."""
        return self.used <= IDLE


def free_cards(cards: Sequence[Card], visible: str | None) -> list[int] | None:
    """Indices of the cards that a search may take; None = all that the process sees.

    Args:
        cards: of the machine.
        visible: `CUDA_VISIBLE_DEVICES`; where it is set, it says which cards are meant, in use or not.

    Raises:
        ClusterError: others use all of them.
    """
    if visible is not None or not cards or all(card.idle for card in cards):
        return None
    free = [card.index for card in cards if card.idle]
    if not free:
        used = ", ".join(f"card {card.index} {card.used:.1f} of {card.total:.0f} GiB" for card in cards)
        raise ClusterError(
            "a search needs a card that nobody else uses",
            received=used,
            fix="wait; or CUDA_VISIBLE_DEVICES=0 to share one all the same; or trial.gpus=0 for the processor",
        )
    return free


def cards_here(environment: Mapping[str, str] = os.environ) -> list[Card]:
    """The cards of this machine by `nvidia-smi`, which starts nothing on them; empty where it cannot be asked."""
    command = ["nvidia-smi", "--query-gpu=index,memory.used,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=True, env=dict(environment)
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return read_cards(done.stdout)


def read_cards(text: str) -> list[Card]:
    """What `nvidia-smi` printed, a card per line: index, MiB used, MiB in all; a line of another kind is left out."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3 and all(part.isdecimal() for part in parts):
            found.append(Card(int(parts[0]), int(parts[1]) / 1024, int(parts[2]) / 1024))
    return found
