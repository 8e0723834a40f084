"""Estimators of mutual information, one per file, behind one small interface."""

from trainables.disentangle.information.build import build
from trainables.disentangle.information.estimator import Estimator

__all__ = ["Estimator", "build"]
