"""How often the race would have stopped a trial that ends above the best one of that moment."""

from __future__ import annotations

from mersearch.metrics import METRICS
from mersearch.store import RunState


def audit(state: RunState, metric: str) -> dict[str, int]:
    """Complete trials that only an audit let go on, and how many of them beat the incumbent of that look."""
    found = {"spared": 0, "above": 0}
    for trial in state.in_state("complete"):
        spared = [verdict for _, verdict in sorted(trial.verdicts.items()) if "audited" in verdict.basis]
        if spared:
            incumbent = state.trials[int(spared[0].basis["incumbent"])]
            final, best = (METRICS[metric](each.confusions[-1]) for each in (trial, incumbent))
            found["spared"] += 1
            found["above"] += final > best
    return found


def audit_lines(state: RunState, metric: str) -> list[str]:
    """One line for people; none where nothing was spared."""
    found = audit(state, metric)
    if not found["spared"]:
        return []
    return [f"({found['above']} of {found['spared']} trials spared as an audit ended above the best of then)"]
