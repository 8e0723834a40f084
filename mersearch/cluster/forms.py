"""The forms of what clouds and Kubernetes name: a value of another form cannot exist there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer must look.

    Attributes:
        pattern: what the whole answer must match.
        rule: the pattern in words.
        example: an answer that is taken.
    """

    pattern: str
    rule: str
    example: str


_REGION: Final = r"[a-z]+-[a-z]+[1-9]\d?"
REGIONS: Final[Mapping[str, Form]] = {
    "aws": Form(r"[a-z]{2,4}(-[a-z]+){1,3}-[1-9]\d?", "a region of AWS: AREA-PLACE-NUMBER", "us-west-2"),
    "gcp": Form(_REGION, "a region of Google Cloud: AREA-PLACE and a number", "us-central1"),
}
ZONE: Final = Form(
    rf"{_REGION}-[a-z][a-z\d]*", "a zone of Google Cloud: its region, and a letter", "us-central1-a"
)
NFS: Final = Form(
    r"[\w.-]+:/(?!/)[\w./:@=+-]*",
    "HOST:/PATH of an NFS server, in letters, digits and . / : @ = + -",
    "fs-1234.efs.us-west-2.amazonaws.com:/",
)
CLAIM: Final = Form(
    r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
    "the name of a claim of Kubernetes: small letters, digits, hyphens and dots",
    "mersearch-shared",
)


def lies_in(zone: str, region: str) -> bool:
    """Whether a zone of Google Cloud is one of a region, by its name.

    >>> lies_in("us-central1-a", "us-central1"), lies_in("us-central10-a", "us-central1")
    (True, False)
    """
    return zone.rpartition("-")[0] == region
