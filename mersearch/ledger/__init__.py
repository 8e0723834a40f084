"""Everything that was ever scored on a data set and label set, over all runs: what a winner was selected from.

One JSON line per configuration and depth in `<run.root>/ledger/<data>-<label set>.jsonl`. A line holds confusion
counts per subject, so it stays of use when its run is deleted; the deepest line of a configuration counts. Several
drivers may append at once, a trial whenever it ends, and a line that a crash has torn is passed over: it can be
written again from its run. What the other runs of the folder have not written down yet is read from them.
"""

from mersearch.ledger.competing import competition
from mersearch.ledger.file import Entry, Unreadable, read
from mersearch.ledger.recording import WARM_START, entries, ledger_path, record, recording
from mersearch.ledger.trained import pinned, trained

__all__ = [
    "WARM_START",
    "Entry",
    "Unreadable",
    "competition",
    "entries",
    "ledger_path",
    "pinned",
    "read",
    "record",
    "recording",
    "trained",
]
