"""The layouts by name."""

from __future__ import annotations

from mersearch.data.synthetic import casme2, ckplus, mmew, mmew_macro, samm, smic
from mersearch.data.synthetic.plan import Layout
from mersearch.errors import DataError

LAYOUTS: dict[str, Layout] = {
    module.LAYOUT.name: module.LAYOUT for module in (casme2, ckplus, samm, mmew, mmew_macro, smic)
}


def require_layout(name: str, release: str | None) -> tuple[Layout, str]:
    """The layout of this name, and one of its releases (None: the first).

    Raises:
        DataError: there is no such layout, or it has no such release.
    """
    if name not in LAYOUTS:
        fix = f"use {', '.join(LAYOUTS)} or manifest"
        raise DataError("no such layout of a synthetic database", received=name, fix=fix)
    layout = LAYOUTS[name]
    if release not in (None, *layout.releases):
        fix = f"use {', '.join(layout.releases)}"
        raise DataError(f"no such release of the layout {name}", received=str(release), fix=fix)
    return layout, release or layout.releases[0]
