"""What the platform relies on in every algorithm, as a pytest class to derive from."""

from __future__ import annotations

from mersearch.testing.fused import FusedContract
from mersearch.testing.held_out import HeldOutContract
from mersearch.testing.offers import OffersContract
from mersearch.testing.repeats import RepeatsContract
from mersearch.testing.shared import SharedContract
from mersearch.testing.small import SmallContract
from mersearch.testing.stages import StagesContract


class AlgorithmContract(
    StagesContract,
    RepeatsContract,
    HeldOutContract,
    SharedContract,
    FusedContract,
    SmallContract,
    OffersContract,
):
    """Derive from it, name the algorithm, and give settings with which a fold trains in a fraction of a second.

    Attributes:
        algorithm: import path, `module:Class`, as in YAML.
        settings: nested settings over the defaults, for every test.
        overfit: further settings with which the algorithm fits about a dozen training clips.
        flow_only: further settings with which it needs no RGB view, where it needs one otherwise.
        size: height and width of the clips in pixels.
    """
