"""Tune's actors run in the workers that a private Ray has started already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def workers_used() -> Iterator[None]:
    """Within the context, Tune asks for its actors in the environment that a private Ray's workers have anyway.

    Tune hands every actor some variables of this process and one of its own (for PyTorch Lightning). Ray takes that
    for an environment of its own, passes over the workers that are ready and starts others: more than half a second
    before the first fold. The workers of a Ray that this process has started have its variables as it is.
    """
    from ray.tune.execution import class_cache

    if not all(hasattr(class_cache, name) for name in ("DEFAULT_ENV_VARS", "ENV_VARS_TO_PROPAGATE")):
        yield  # a Ray that does it in another way: it works, and begins a little later
        return
    before = class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE
    class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = {}, frozenset()
    try:
        yield
    finally:
        class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = before
