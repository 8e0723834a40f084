"""The picture of a contact sheet: a row per class, and for each clip its frame, crops, flow and regions."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mersearch.counted import counted
from mersearch.data.align import LEFT_EYE, PORTRAIT, RIGHT_EYE

if TYPE_CHECKING:
    from mersearch.data.contact import Panel, Sheet

INK, GREY, MARK, WARNING = "#222222", "#777777", "#e8a200", "#c0392b"
DPI = 110
CELL = 1.15
"""Inches that a crop is wide."""
WIDTHS = {"whole frame": 1.5, "onset": 1.0, "apex": 1.0, "flow": 1.0, "regions": 1.0}
"""Pictures of a clip, and how wide each is in crops."""
OF_STILLS = {"whole frame": 1.5, "crop": 1.0, "regions": 1.0}
"""The same of a database in which every clip is one picture, so that nothing moves."""


def draw(sheet: Sheet) -> bytes:
    """The sheet as a PNG."""
    from matplotlib.figure import Figure

    blocks = max(len(panels) for _, _, panels in sheet.rows)
    shown = OF_STILLS if sheet.stills else WIDTHS
    width = CELL * (blocks * (sum(shown.values()) + 0.25) + 0.9)
    height = len(sheet.rows) * (CELL * PORTRAIT + 0.3) + 1.25
    figure = Figure(figsize=(width, height))
    widths = [0.7, *([*shown.values(), 0.2] * blocks)[:-1]]
    grid = figure.add_gridspec(
        len(sheet.rows),
        len(widths),
        width_ratios=widths,
        left=0.01,
        right=0.99,
        top=1 - 0.95 / height,
        bottom=0.4 / height,
        wspace=0.05,
        hspace=0.3 / (CELL * PORTRAIT),
    )
    for row, (name, count, panels) in enumerate(sheet.rows):
        label = _empty(figure.add_subplot(grid[row, 0]))
        label.text(0, 0.5, f"{name}\n{counted(count, 'clip')}", fontsize=9, color=INK, va="center")
        for block, panel in enumerate(panels):
            start = 1 + block * (len(shown) + 1)
            places = {name: figure.add_subplot(grid[row, start + i]) for i, name in enumerate(shown)}
            _draw(panel, places, row == 0)
    _frame(figure, sheet, width, height)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _draw(panel: Panel, places: Mapping[str, Any], headed: bool) -> None:
    pictures = {
        "whole frame": panel.frame,
        "onset": panel.onset,
        "crop": panel.onset,
        "apex": panel.apex,
        "flow": panel.flow,
        "regions": panel.regions,
    }
    for name, axes in places.items():
        aspect = "equal" if name == "whole frame" else PORTRAIT
        _empty(axes).imshow(pictures[name], aspect=aspect, interpolation="bilinear")
        if headed:
            axes.set_title(name, fontsize=7, color=GREY, pad=2)
    closed = [*panel.outline.tolist(), panel.outline[0].tolist()]
    whole, first, *_ = places.values()
    whole.plot(*zip(*closed, strict=True), color=MARK, linewidth=1.2, clip_on=True)
    whole.set_anchor("N")
    whole.set_xlim(-0.5, panel.frame.shape[1] - 0.5)
    whole.set_ylim(panel.frame.shape[0] - 0.5, -0.5)
    size = len(panel.onset)
    for x, y in (LEFT_EYE, RIGHT_EYE):
        first.plot(x * size, y * size, "+", color=MARK, markersize=7, markeredgewidth=1)
    first.annotate(
        caption(panel),
        (-1.5, -0.03),
        xycoords="axes fraction",
        fontsize=6.5,
        color=WARNING if panel.note else GREY,
        va="top",
        annotation_clip=False,
    )


def caption(panel: Panel) -> str:
    """What stands below a clip: its action units, apex and head motion, or what the alignment could not do."""
    clip = panel.clip
    if panel.note:
        return f"{clip.clip_id}: {panel.note}"
    units = "not annotated" if clip.action_units is None else "AU " + "+".join(map(str, clip.action_units))
    if clip.onset == clip.offset:
        return f"{clip.clip_id}   {units}"
    apex = f"apex {clip.apex - clip.onset + 1} of {clip.offset - clip.onset + 1} frames"
    return f"{clip.clip_id}   {units}   {apex}   head {panel.head:.1f} px"


def key(sheet: Sheet) -> str:
    """What the colours mean."""
    flow = (
        "Flow: from onset to apex without that of the head, full colour "
        f"from {sheet.full:g} px of a face {sheet.face} px wide, direction as in the wheel."
    )
    if sheet.stills:
        flow = f"Every clip is one picture{'' if sheet.given_flow else ', so there is no flow'}."
    if sheet.given_flow:
        flow += " Flow that is given is not shown."
    return f"Yellow: the crop, and where the eyes belong. {flow} Red: regions of the annotated action units."


def _empty(axes: Any) -> Any:
    axes.set_axis_off()
    return axes


def _frame(figure: Any, sheet: Sheet, width: float, height: float) -> None:
    """Title, what the colours mean, and whose pictures these are."""
    figure.text(0.01, 1 - 0.25 / height, sheet.title, fontsize=11, color=INK, va="center")
    figure.text(
        0.01,
        1 - 0.42 / height,
        "\n".join(textwrap.wrap(key(sheet), int(width * 15))),
        fontsize=7,
        color=GREY,
        va="top",
    )
    if not sheet.stills:
        _wheel(figure, sheet, width, height)
    figure.text(0.01, 0.16 / height, sheet.terms, fontsize=7, color=INK, va="center")


def _wheel(figure: Any, sheet: Sheet, width: float, height: float) -> None:
    wheel = _empty(figure.add_axes((1 - 0.72 / width, 1 - 0.72 / height, 0.66 / width, 0.66 / height)))
    wheel.imshow(sheet.wheel)
