"""Bad inputs 01, 02, 11–13, the configuration and the space.

Each gives one clear error and the documented exit code; no traceback, nothing lost.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.bad.inputs import line_of, write


def test_01_unknown_key(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"search": {"trails": 3}})
    told = (
        f"{line_of(file, 'trails')}: unknown key search.trails",
        "received: trails",
        "did you mean trials?",
    )
    refuses("launch", file, says=told)
    told = ("command line: search.trails=3: unknown key search.trails", "did you mean trials?")
    refuses("launch", "tiny.yaml", "search.trails=3", says=told)


def test_02_wrong_type(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"algorithm": {"train": {"steps": "many"}}})
    rule = f"{line_of(file, 'many')}: algorithm.train.steps must be a whole number ≥ 1"
    refuses("launch", file, says=(rule, "received: 'many'", "leave it out for the default"))


def test_11_negative_weight(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"algorithm": {"quintuplet": {"weight": -0.5}}})
    rule = f"{line_of(file, '-0.5')}: algorithm.quintuplet.weight must be a number ≥ 0"
    refuses("launch", file, says=(rule, "received: -0.5", "leave it out for the default, 0.5"))


def test_12_contradictory_space(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"space": {"algorithm": {"train": {"lr": {"low": 0.5, "high": 0.1}}}}})
    rule = f"{line_of(file, 'lr:')}: space.algorithm.train.lr has low ≥ high"
    refuses("launch", file, says=(rule, "low 0.5, high 0.1", "make low smaller than high"))

    when = {"low": 0.1, "high": 0.5, "when": {"algorithm.views": "flow"}}
    file = write("bad.yaml", {"space": {"algorithm": {"fusion": {"prior": when}}}})
    rule = (
        f"{line_of(file, 'algorithm.views')}: space.algorithm.fusion.prior.when.algorithm.views never exists"
    )
    refuses(
        "launch", file, says=(rule, "algorithm.views = 'both'", "search algorithm.views, set it, or delete")
    )


def test_13_choice_without_options(refuses: Callable[..., str]) -> None:
    file = write("bad.yaml", {"space": {"algorithm": {"attention": {"heads": {"choices": []}}}}})
    number = int(line_of(file, "choices").rpartition(":")[2]) - 1
    rule = f"bad.yaml:{number}: space.algorithm.attention.heads is a choice without options"
    refuses("launch", file, says=(rule, "received: []", "list at least one option"))
