"""One visual language for all workbooks: fonts, colours, number formats, from ``style.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils.indexed_list import IndexedList
from openpyxl.writer.theme import theme_xml

from reports.fast_table import FastRows

__all__ = ["ACCENTS", "Format", "Painter", "Style", "display_width"]

_STYLE_FILE = Path(__file__).with_name("style.toml")

# The colours of the theme, so that charts (and charts a user adds) speak the same language.
ACCENTS = ("primary", "gain", "loss", "blue", "amber", "grey")
_OFFICE_ACCENTS = ("4F81BD", "C0504D", "9BBB59", "8064A2", "4BACC6", "F79646")

Edge = Literal["", "below", "total", "tile"]


def display_width(text: str) -> int:
    """Width in half-width characters: a Chinese character or full-width sign counts two."""
    return len(text.encode("gb18030", errors="replace")) if text else 0


@dataclass(frozen=True, slots=True)
class Format:
    """How a value is shown; ``kind`` says what the column holds: text, number, fen, wan, date."""

    kind: str
    code: str
    align: str


@dataclass(frozen=True, slots=True)
class Style:
    """Everything in ``style.toml``."""

    font: str
    mono_font: str
    size: Mapping[str, float]
    colour: Mapping[str, str]
    formats: Mapping[str, Format]
    badge: Mapping[str, tuple[str, str]]
    dark: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path = _STYLE_FILE) -> Style:
        """Read the style file."""
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(
            font=raw["font"],
            mono_font=raw["mono_font"],
            size=raw["size"],
            colour=raw["colour"],
            formats={name: Format(**entry) for name, entry in raw["format"].items()},
            badge={word: (fill, ink) for word, (fill, ink) in raw["badge"].items()},
            dark=raw.get("dark", {}),
        )


class Painter:
    """Hands out ready styles of one workbook; each distinct look is made once.

    ``rows`` takes the bodies of tables until the workbook is saved.

    openpyxl makes four look-ups for every attribute that a cell is given; sharing one finished
    style among all the cells of a column is what keeps 5,000 cases quick.
    """

    def __init__(self, workbook: Workbook, style: Style) -> None:
        self.style = style
        self._scratch: Any = workbook.active
        self._looks: dict[tuple[object, ...], Any] = {}
        self.rows = FastRows(workbook)
        workbook.loaded_theme = _theme(style)
        _set_default_font(workbook, Font(name=style.font, size=style.size["body"]))

    def look(
        self,
        format_name: str = "text",
        *,
        size: str = "body",
        bold: bool = False,
        ink: str = "ink",
        fill: str = "",
        align: str = "",
        wrap: bool = False,
        edge: Edge = "",
        quoted: bool = False,
        top: bool = False,
    ) -> Any:
        """A style to put on a cell with :func:`paint`; colours and formats by name."""
        key = (format_name, size, bold, ink, fill, align, wrap, edge, quoted, top)
        if key not in self._looks:
            colour = self.style.colour
            shown = self.style.formats[format_name]
            inset = shown.align == "left" and not align and size == "body"
            cell: Any = Cell(self._scratch, row=1, column=1)
            font = self.style.mono_font if format_name == "mono" else self.style.font
            cell.font = Font(name=font, size=self.style.size[size], bold=bold, color=colour[ink])
            if fill:
                cell.fill = PatternFill("solid", fgColor=colour[fill])
            # A large figure has its own colour.
            cell.number_format = shown.code.replace("[Red]", "") if size == "tile" else shown.code
            cell.alignment = Alignment(
                horizontal=align or shown.align,
                # Text beside a right-aligned number would touch it.
                indent=1 if inset else 0,
                vertical="top" if top else "center",
                wrap_text=wrap or None,
            )
            cell.border = _border(edge, colour)
            if quoted:
                cell.quotePrefix = True
            self._looks[key] = cell._style
        return self._looks[key]


def _set_default_font(workbook: Any, font: Font) -> None:
    """The font of cells without a look; column widths are counted in its digits."""
    workbook._fonts = IndexedList([font])
    workbook._named_styles["Normal"].font = font


def _border(edge: Edge, colour: Mapping[str, str]) -> Border:
    if edge == "below":
        return Border(bottom=Side("thin", color=colour["line"]))
    if edge == "total":
        return Border(
            top=Side("medium", color=colour["primary"]),
            bottom=Side("medium", color=colour["primary"]),
        )
    if edge == "tile":
        return Border(left=Side("thick", color=colour["blue"]))
    return Border()


def _theme(style: Style) -> bytes:
    """The Office theme with our colours and font."""
    theme = theme_xml
    for office, name in zip(_OFFICE_ACCENTS, ACCENTS, strict=True):
        theme = theme.replace(f'val="{office}"', f'val="{style.colour[name]}"')
    for face in ("Cambria", "Calibri"):
        theme = theme.replace(
            f'<a:latin typeface="{face}"/>', f'<a:latin typeface="{style.font}"/>'
        )
    theme = theme.replace('<a:ea typeface=""/>', f'<a:ea typeface="{style.font}"/>')
    return theme.replace("&#x5B8B;&#x4F53;", style.font).encode()
