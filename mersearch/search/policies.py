"""The rule of stopping that a configuration asks for."""

from __future__ import annotations

from mersearch.config.records import Search
from mersearch.search.asha import Asha
from mersearch.search.policy import NoStopping, Policy
from mersearch.search.race import Race

ALPHA = {"strict": 0.02, "default": 0.10, "explore": 0.20}
"""The named levels of `search.race.alpha`."""


def policy_of(search: Search, *, seed: int) -> Policy:
    """The policy of `search.scheduler` with its own keys.

    Args:
        search: the section of the configuration.
        seed: of the run, for the audit.
    """
    if search.scheduler == "asha":
        return Asha(eta=search.eta, rungs=search.rungs, min_peers=search.min_peers)
    if search.scheduler == "race":
        race = search.race
        return Race(
            alpha=ALPHA[race.alpha] if isinstance(race.alpha, str) else race.alpha,
            rungs=race.rungs,
            audit=race.audit,
            first=race.first,
            delta=race.delta,
            seed=seed,
        )
    return NoStopping()
