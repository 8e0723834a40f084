"""Databases on disk: readers, label sets, preprocessing, cache, folds and the synthetic generator."""
