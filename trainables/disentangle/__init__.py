"""`disentangle`: facial motion separated from identity by mutual information."""

from trainables.disentangle.algorithm import Disentangle

__all__ = ["Disentangle"]
