"""Rules between settings, and between settings and data, that a bound on one setting cannot express."""

from __future__ import annotations

from mersearch.algorithm import Need, Shapes
from mersearch.errors import ConfigError, MersearchError
from trainables.blocks.checks import view_errors
from trainables.quintuplet.hard_types import table_errors
from trainables.quintuplet.settings import Settings


def uses_macro(settings: Settings) -> bool:
    """Whether any term of these settings reads macro clips."""
    in_mask = settings.mask.enabled and settings.mask.macro
    return in_mask or pretrains(settings) or (settings.quintuplet.macro and settings.quintuplet.weight > 0)


def pretrains(settings: Settings) -> bool:
    """Whether MNet is trained on macro clips alone before the folds."""
    return settings.mask.enabled and settings.pretrain.steps > 0


def without(need: Need) -> dict[str, dict[str, bool | int | str]]:
    """What goes where the data lack frames or macro clips: name → settings."""
    found: dict[Need, dict[str, dict[str, bool | int | str]]] = {
        "rgb": {"RGB view and contrast of the views": {"views": "flow"}},
        "macro": {
            "macro members of the quintuplets": {"quintuplet.macro": False},
            "macro clips of MNet": {"mask.macro": False},
            "pretraining of MNet": {"pretrain.steps": 0},
        },
    }
    return found.get(need, {})


def setting_errors(settings: Settings, shapes: Shapes) -> list[MersearchError]:
    """Every broken rule."""
    wanted = ("rgb", "flow") if settings.views == "both" else (settings.views,)
    errors: list[MersearchError] = [*view_errors("views", settings.views, wanted, shapes)]
    if uses_macro(settings) and not shapes.macro_emotions:
        errors.append(
            ConfigError(
                f"quintuplet.macro{', mask.macro and pretrain.steps' if pretrains(settings) else ' and mask.macro'} "
                "need macro clips",
                received="no macro database",
                fix="set macro=ckplus and macro.root, or turn off what is on of these: "
                "algorithm.quintuplet.macro=false algorithm.mask.macro=false"
                + (" algorithm.pretrain.steps=0" if pretrains(settings) else ""),
            )
        )
    return [
        *errors,
        *table_errors(settings.hard_types.table, shapes.emotions, shapes.macro_emotions),
    ]
