"""Synthetic databases in the layouts of real ones: faces worth looking at, with the truth about them beside."""

from mersearch.data.synthetic.synthesize import LAYOUTS, synthesize

__all__ = ["LAYOUTS", "synthesize"]
