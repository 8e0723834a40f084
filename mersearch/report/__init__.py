"""What a finished run says, as text, files and figures; the only door to the plotting library."""

from mersearch.report.ablation import write_ablation

__all__ = ["write_ablation"]
