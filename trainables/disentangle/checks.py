"""Rules between settings, and between settings and data, that a bound on one setting cannot express."""

from __future__ import annotations

from mersearch.algorithm import Need, Shapes
from mersearch.errors import ConfigError
from trainables.blocks.checks import view_errors
from trainables.disentangle.settings import Settings


def separates(settings: Settings) -> bool:
    """Whether these settings have an information term, and so IDNet and a critic."""
    return settings.identity.enabled and settings.information.weight > 0


def without(need: Need) -> dict[str, dict[str, str]]:
    """What goes where the data lack frames: name → settings."""
    if need != "rgb":
        return {}
    return {"onset frame of IDNet, which sees the mean flow": {"identity.view": "flow"}}


def setting_errors(settings: Settings, shapes: Shapes) -> list[ConfigError]:
    """Every broken rule."""
    errors = view_errors("view", settings.view, (settings.view,), shapes)
    if separates(settings):
        view = settings.identity.view
        errors += view_errors("identity.view", view, (view,), shapes)
    return errors
