"""YAML and overrides → frozen typed records; the only door to Hydra and pydantic, opened when it is used."""

from mersearch.config.compose import compose
from mersearch.config.importing import algorithm_class
from mersearch.config.records import (
    Ablation,
    AlgorithmConfig,
    Config,
    Data,
    Folds,
    Macro,
    Run,
    Search,
    Synthetic,
    Trial,
)
from mersearch.config.shipped import shipped_spaces

__all__ = [
    "Ablation",
    "AlgorithmConfig",
    "Config",
    "Data",
    "Folds",
    "Macro",
    "Run",
    "Search",
    "Synthetic",
    "Trial",
    "algorithm_class",
    "compose",
    "shipped_spaces",
]
