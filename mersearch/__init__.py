"""Distributed hyperparameter search for micro-expression recognition, judged leave-one-subject-out."""

__version__ = "0.1.0"
