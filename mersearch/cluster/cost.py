"""The most that a cluster file can use, in nodes and hours of cards; money is up to the place."""

from __future__ import annotations

from mersearch.cluster.questions import GROWING, Answers
from mersearch.counted import counted

ATTEMPTS = 5
"""Of a RayJob: the first, and as many retries as the shipped file's `backoffLimit`."""


def planned(kind: str, answered: Answers) -> str:
    """The planned maximum of a kind's file, in one line."""
    nodes, gpus = int(answered.get("max-workers", 1)), int(answered["gpus"])
    hours = float(answered["hours"] or 0)
    cards = f" with {counted(nodes * gpus, 'GPU')}" if gpus else ""
    unit, each = ("GPU-hours", gpus) if gpus else ("node-hours", 1)
    used = f"{nodes * each * hours:g} {unit}"
    if kind not in GROWING:
        return f"planned maximum: {counted(nodes, 'node')}{cards}, {used} per pass through the queue"
    most = f"planned maximum: 1 head and {counted(nodes, 'worker')}{cards} at a time"
    if not hours:
        return f"{most}; nothing limits the hours"
    attempts = f", in each of at most {ATTEMPTS} attempts" if kind == "rayjob" else ""
    return f"{most}; {used} in {hours:g} hours{attempts}"
