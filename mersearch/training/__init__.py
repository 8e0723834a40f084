"""Training of one algorithm on the folds of a study: stages, batches, optimisers, predictions."""

from mersearch.training.chunk import train_all, train_chunk
from mersearch.training.device import DeviceClips, DeviceData
from mersearch.training.fit import Fitted
from mersearch.training.pretraining import Pretraining
from mersearch.training.results import FoldResult

__all__ = ["DeviceClips", "DeviceData", "Fitted", "FoldResult", "Pretraining", "train_all", "train_chunk"]
