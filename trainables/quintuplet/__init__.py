"""`quintuplet`: contrastive learning and cross-modal quintuplet loss."""

from trainables.quintuplet.algorithm import Quintuplet

__all__ = ["Quintuplet"]
