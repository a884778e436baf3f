"""Drawing a flow as SVG: boxes in columns, arrows between them, the same bytes every time."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from xml.sax.saxutils import escape

from performance.plan_flow import STAGES, Flow, FlowBox

__all__ = ["flow_png", "flow_svg"]

_FONT = (
    "'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',"
    "'WenQuanYi Micro Hei','SimSun',sans-serif"
)
_COLOURS = ("#2f6f9f", "#3b7d6e", "#7a5c99", "#a0692b", "#8c3f4b")
_INK, _FAINT, _PAPER = "#1f2933", "#6b7683", "#ffffff"
_WIDTH, _GAP_X, _GAP_Y, _MARGIN = 212, 58, 16, 24
_HEAD, _LINE, _PAD, _TOP = 15, 15, 8, 76
_CLOSING = "，。；：、）%"
_COLUMNS = 34
"""Half-width columns of text that a box holds."""


@dataclass(frozen=True, slots=True)
class _Placed:
    box: FlowBox
    lines: tuple[str, ...]
    x: int
    y: int
    height: int


def flow_svg(flow: Flow) -> str:
    """The picture as an SVG document (UTF-8 text), readable on white; texts stay texts."""
    placed = _placed(flow)
    width = _MARGIN * 2 + len(STAGES) * _WIDTH + (len(STAGES) - 1) * _GAP_X
    height = max(one.y + one.height for one in placed.values()) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{_FONT}" font-size="11">',
        f"<title>{escape(flow.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>',
        f'<text x="{_MARGIN}" y="30" font-size="16" font-weight="600" fill="{_INK}">'
        f"{escape(flow.title)}</text>",
    ]
    for stage, title in enumerate(STAGES):
        x = _MARGIN + stage * (_WIDTH + _GAP_X)
        parts.append(
            f'<text x="{x}" y="58" font-size="12" fill="{_COLOURS[stage]}" font-weight="600">'
            f"{escape(title)}</text>"
        )
        parts.append(
            f'<line x1="{x}" y1="64" x2="{x + _WIDTH}" y2="64" stroke="{_COLOURS[stage]}" '
            f'stroke-width="2"/>'
        )
    parts += _arrows(flow, placed)
    parts += [_drawn(one) for one in placed.values()]
    return "\n".join([*parts, "</svg>", ""])


def flow_png(flow: Flow, *, scale: float = 2.0) -> bytes:
    """The picture as a PNG.  Raises ImportError where vl-convert is not there."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(flow_svg(flow), scale=scale))


def _placed(flow: Flow) -> dict[str, _Placed]:
    """Boxes of each stage one under another, in the flow's order."""
    below = [_TOP] * len(STAGES)
    placed = {}
    for box in flow.boxes:
        lines = tuple(line for text in box.lines if text for line in _wrapped(text))
        height = _PAD * 2 + _HEAD + _LINE * len(lines) - (2 if not lines else 0)
        x = _MARGIN + box.stage * (_WIDTH + _GAP_X)
        placed[box.name] = _Placed(box, lines, x, below[box.stage], height)
        below[box.stage] += height + _GAP_Y
    return placed


def _wide(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _wrapped(text: str) -> list[str]:
    """Text in lines of at most ``_COLUMNS`` half-width columns; at most four, then an ellipsis."""
    lines, now, room = [], "", _COLUMNS
    for character in text:
        if _wide(character) > room and character not in _CLOSING:
            lines.append(now)
            now, room = "", _COLUMNS
        now += character
        room -= _wide(character)
    lines.append(now)
    return lines if len(lines) <= 4 else [*lines[:3], lines[3][:-1] + "…"]


def _drawn(one: _Placed) -> str:
    colour = _COLOURS[one.box.stage]
    top = one.y + _PAD + 11
    texts = [
        f'<text x="{one.x + 12}" y="{top}" font-size="12" font-weight="600" fill="{_INK}">'
        f"{escape(one.box.title)}</text>"
    ]
    texts += [
        f'<text x="{one.x + 12}" y="{top + _HEAD + _LINE * i}" fill="{_FAINT}">'
        f"{escape(line)}</text>"
        for i, line in enumerate(one.lines)
    ]
    return (
        f'<g><rect x="{one.x}" y="{one.y}" width="{_WIDTH}" height="{one.height}" rx="4" '
        f'fill="#f7f9fb" stroke="{colour}" stroke-opacity="0.55"/>'
        f'<rect x="{one.x}" y="{one.y}" width="4" height="{one.height}" rx="2" fill="{colour}"/>'
        f"{''.join(texts)}</g>"
    )


def _arrows(flow: Flow, placed: dict[str, _Placed]) -> list[str]:
    """Curves from the right side of a box to the left of another, spread over its height.

    Within one stage an arrow goes straight down, from box to box.
    """
    incoming: dict[str, list[str]] = {}
    outgoing: dict[str, list[str]] = {}
    for source, target in flow.arrows:
        outgoing.setdefault(source, []).append(target)
        incoming.setdefault(target, []).append(source)
    parts = []
    for source, target in flow.arrows:
        start, end = placed[source], placed[target]
        if start.box.stage == end.box.stage:
            parts.append(_down(start, end))
            continue
        y1 = _spread(start, sorted(outgoing[source], key=lambda n: placed[n].y), target)
        y2 = _spread(end, sorted(incoming[target], key=lambda n: placed[n].y), source)
        x1, x2 = start.x + _WIDTH, end.x
        bend = max(28, (x2 - x1) // 2)
        colour = _COLOURS[start.box.stage]
        parts.append(
            f'<path d="M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2 - 5},{y2}" fill="none" '
            f'stroke="{colour}" stroke-opacity="0.45" stroke-width="1.2"/>'
            f'<path d="M{x2},{y2} l-6,-3 v6 z" fill="{colour}" fill-opacity="0.7"/>'
        )
    return parts


def _down(start: _Placed, end: _Placed) -> str:
    x = start.x + _WIDTH // 2
    y1, y2 = start.y + start.height, end.y
    if y2 <= y1:
        x = start.x + _WIDTH - 20
        y1, y2 = start.y, end.y + end.height
    colour = _COLOURS[start.box.stage]
    tip = "l-3,-6 h6 z" if y2 > y1 else "l-3,6 h6 z"
    stop = y2 - 5 if y2 > y1 else y2 + 5
    return (
        f'<path d="M{x},{y1} V{stop}" fill="none" stroke="{colour}" stroke-opacity="0.6" '
        f'stroke-width="1.4"/><path d="M{x},{y2} {tip}" fill="{colour}"/>'
    )


def _spread(one: _Placed, others: list[str], name: str) -> int:
    """The place on a box's side for one of several arrows."""
    place = others.index(name) + 1
    return one.y + round(one.height * place / (len(others) + 1))
