"""Synthetic databases in the layouts of real ones: faces worth looking at, with the truth about them beside."""

from mersearch.data.synthetic.label_files import synthesize_labels
from mersearch.data.synthetic.layouts import LAYOUTS
from mersearch.data.synthetic.manifest import synthesize_manifest
from mersearch.data.synthetic.synthesize import synthesize

__all__ = ["LAYOUTS", "synthesize", "synthesize_labels", "synthesize_manifest"]
