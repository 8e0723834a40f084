"""Estimators by name."""

from __future__ import annotations

from trainables.disentangle.information.club import Club
from trainables.disentangle.information.estimator import Estimator
from trainables.disentangle.information.infonce import InfoNCE
from trainables.disentangle.information.mine import Mine
from trainables.disentangle.information.smile import Smile
from trainables.disentangle.settings import InformationSettings


def build(settings: InformationSettings) -> Estimator:
    """The estimator that `settings` name."""
    match settings.estimator:
        case "mine":
            return Mine(settings.decay)
        case "smile":
            return Smile(settings.clip)
        case "infonce":
            return InfoNCE()
        case "club":
            return Club()
