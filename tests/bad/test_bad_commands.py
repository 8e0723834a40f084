"""Bad inputs beside the twenty, the command line.

Each gives one clear error and the documented exit code; no traceback, nothing lost.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bad.inputs import write


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "launch nosuch",
            ("there is no search space nosuch", "shipped search spaces: disentangle, disentangle_casme2,"),
        ),
        ("launch " + "x" * 300, ("x cannot be read", "File name too long", "a shipped search space")),
        ("status nosuch", ("a run is a path, or a name", "runs/nosuch does not exist", "runs there: done")),
        ("status dnoe", ("runs/dnoe does not exist", "did you mean done?")),
        ("status runs", ("runs is not a run: it lacks config.yaml", "fix: runs in it: runs/done")),
        (
            "status casme2 --root .",
            ("casme2 is not a run: it lacks config.yaml",),
        ),
        ("status " + "x" * 300, ("is not a run: File name too long",)),
        *(
            (
                f"{command} runs/done/export/best.yaml",
                ("best.yaml does not exist", "mersearch export RUN writes one"),
            )
            for command in ("evaluate", "ablate", "train")
        ),
        ("evaluate " + "x" * 300, ("x cannot be read", "File name too long")),
        (f"evaluate {'x' * 300}/best.yaml", ("best.yaml cannot be read", "File name too long")),
        ("evaluate ~nobodyhere/best.yaml", ("best.yaml cannot be read", "home directory")),
        ("evaluate space.yaml", ("one configuration is wanted, not a search space", "space.yaml searches 1")),
        (
            "resume done run.seed=1",
            ("only search.trials, search.concurrency, search.time_budget,", "run.seed=1"),
        ),
        (
            "resume done search.trials=many",
            ("command line: search.trials=many: search.trials must be a whole number ≥ 1", "'many'"),
        ),
        (
            "evaluate one.yaml search.time_budget=1h",
            (
                "an evaluation trains all folds, so it has no budget",
                "search.time_budget=1h",
                "Ctrl-C interrupts",
            ),
        ),
        ("resume done search.trials=[", ("search.trials=[ is not an override", "write KEY=VALUE")),
        (
            "data check wrongdb /x",
            ("a database is one of: casme2, ckplus, composite, manifest, megc2019,", "'wrongdb'"),
        ),
        ("data check casme2 tiny.yaml", ("is a folder", "tiny.yaml is a file", "your copy of CASME II")),
        (
            "data check casme2 casme2 --labels six",
            ("a label set of casme2 is one of: casme2-5,", "'six'", "--labels NAME"),
        ),
        ("data check ckplus casme2", ("CK+ has cohn-kanade-images", "looks like CASME II (reader casme2)")),
        ("data check ckplus " + "x" * 300, ("can be read", "File name too long")),
        ("data synthesize casme2 --layout casme2", ("a new or empty folder", "casme2 holds files")),
        ("data synthesize out --layout sdu", ("no such layout", "use casme2, ckplus")),
        ("launch tiny.yaml data.root=tiny.yaml", ("is a folder", "/tiny.yaml is a file")),
        ("launch tiny.yaml data.root=~nobody-here/x", ("data.root names a home that is not there",)),
        ("launch tiny.yaml run.name=../x", ("run.name must be a plain folder name", "../x")),
        (
            "launch tiny.yaml run.root=casme2 run.name=truth",
            ("a new run needs a place of its own", "casme2/truth"),
        ),
        (
            "launch tiny.yaml algorithm.name=unfinished:X",
            ("unfinished cannot be imported", "NameError", "line 1)"),
        ),
        (
            "launch tiny.yaml algorithm.train.lr=5",
            ("algorithm.train.lr=5: algorithm.train.lr must be", "≤ 1"),
        ),
    ],
)
def test_a_command_that_cannot_run_says_why(
    refuses: Callable[..., str], command: str, said: tuple[str, ...]
) -> None:
    Path("unfinished.py").write_text("undefined\n")
    write("space.yaml", {"space": {"algorithm": {"train": {"lr": {"low": 0.1, "high": 0.2}}}}})
    refuses(*command.split(), says=said)
