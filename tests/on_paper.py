"""`python -m tests.on_paper …`: a `mersearch` command for a cluster whose cards exist only on paper.

Workers ask Ray for their cards as ever, and train on the processor.
"""

from __future__ import annotations

from mersearch import cli
from mersearch.search import probe

if __name__ == "__main__":
    probe.device_of = lambda slots: "cpu"
    cli.main()
