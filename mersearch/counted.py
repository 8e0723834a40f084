"""A number with the noun that it counts."""

from __future__ import annotations


def counted(number: float, noun: str) -> str:
    """The number and its noun, in the plural where it is not one.

    >>> counted(1, "trial"), counted(2, "trial"), counted(0.5, "card")
    ('1 trial', '2 trials', '0.5 cards')
    """
    shown = str(number) if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"
