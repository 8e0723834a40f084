"""What each part of `quintuplet` is worth: the parts, and the settings that take one away."""

from __future__ import annotations

from trainables.quintuplet.checks import pretrains
from trainables.quintuplet.settings import Settings

Change = dict[str, bool | int | float | str]


def ablations(settings: Settings) -> dict[str, Change]:
    """Name of an ablation → settings that change; no settings where the part does nothing in `settings` already.

    One part at a time: without macro members the loss is the triplet of micro clips, while MNet keeps its own macro
    clips (`mask.macro`, and what it is pretrained on), which are part of MNet. Pretraining is a part of its own where
    it is on. Without a view there is no contrast of views either. A view that
    is the only one cannot be taken away.
    """
    quintuplet = settings.quintuplet
    macro_counts = quintuplet.weight > 0 and quintuplet.alpha + quintuplet.cross > 0
    found: dict[str, Change] = {
        "− MNet": {"mask.enabled": False} if settings.mask.floor < 1 else {},
        "− quintuplet": {"quintuplet.weight": 0.0},
        "− macro members": {"quintuplet.macro": False} if macro_counts else {},
        "− contrastive": {"contrast.weight": 0.0} if settings.views == "both" else {},
    }
    if pretrains(settings):
        found["− pretraining"] = {"pretrain.steps": 0}
    if settings.views != "rgb":
        found["− RGB view"] = {"views": "flow"}
    if settings.views != "flow":
        found["− flow view"] = {"views": "rgb"}
    return found
