from __future__ import annotations

import doctest

from mersearch import nesting


def test_dotted_paths_become_nested_mappings_as_the_examples_say() -> None:
    found = doctest.testmod(nesting)
    assert (found.failed, found.attempted) == (0, 4)


def test_a_place_is_set_beside_what_its_group_holds() -> None:
    values = {"mask": {"enabled": True, "steps": 3}}
    nesting.put(values, "mask.steps", 4)
    assert values == {"mask": {"enabled": True, "steps": 4}}
