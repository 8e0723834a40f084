"""Searching: policies of stopping, projection, the doors to Optuna and Ray."""
