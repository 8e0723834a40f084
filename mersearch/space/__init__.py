"""Declarative search space with conditions; `mersearch.search.study` turns it into suggestions."""

from mersearch.space.dimension import Choice, Dimension, Float, Int, Value, is_active
from mersearch.space.parse import Fields
from mersearch.space.space import Space

__all__ = ["Choice", "Dimension", "Fields", "Float", "Int", "Space", "Value", "is_active"]
