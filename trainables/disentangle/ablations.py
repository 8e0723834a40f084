"""What each part of `disentangle` is worth: the parts, and the settings that take one away."""

from __future__ import annotations

from trainables.disentangle.checks import separates
from trainables.disentangle.settings import Settings

Change = dict[str, bool | float | str]


def ablations(settings: Settings) -> dict[str, Change]:
    """Name of an ablation → settings that change; no settings where the part does nothing in `settings` already.

    One part at a time: with one head there is no pair of heads, so the divergence loss is gone with it. Without
    staging, the one stage takes as many steps of MENet as its two stages did.
    """
    separating, several = separates(settings), settings.attention.heads > 1
    return {
        "− IDNet/MINE": {"identity.enabled": False} if separating else {},
        "− diverse attention": {"attention.heads": 1} if several else {},
        "− divergence loss": {"divergence.weight": 0.0} if several else {},
        "− global attention": {"identity.global_attention": False} if separating else {},
        "− staging": {"train.staged": False},
    }
