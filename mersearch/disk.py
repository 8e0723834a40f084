"""What a full or failing disk looks like: work stops there and goes on once there is room."""

from __future__ import annotations

import errno
from typing import Final

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""No space, over quota, over the file size limit, medium error."""


def is_full(error: OSError) -> bool:
    """Whether a write failed for want of room or because the medium fails, not because it is forbidden."""
    return error.errno in FULL
