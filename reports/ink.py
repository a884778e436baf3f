"""The look of charts: colours of the theme, fonts, axes, labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openpyxl.chart.axis import ChartLines
from openpyxl.chart.data_source import NumFmt, StrRef
from openpyxl.chart.label import DataLabel, DataLabelList
from openpyxl.chart.layout import Layout, ManualLayout
from openpyxl.chart.legend import Legend
from openpyxl.chart.marker import Marker
from openpyxl.chart.series import SeriesLabel
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText, Text
from openpyxl.chart.title import Title
from openpyxl.descriptors import Typed
from openpyxl.drawing.colors import ColorChoice, SchemeColor
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.text import (
    CharacterProperties,
    Paragraph,
    ParagraphProperties,
    RegularTextRun,
    RichTextProperties,
)
from openpyxl.drawing.text import Font as TextFont
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from reports.style import ACCENTS

__all__ = [
    "default_text",
    "drawn",
    "dress",
    "dress_axis",
    "filled",
    "label",
    "legend",
    "marker",
    "name_from",
    "nothing",
    "plot_box",
    "texts",
]

_EMU_PER_POINT = 12_700
_SHADES: Mapping[str, Mapping[str, Any]] = {
    "ink": {"val": "tx1", "lumMod": 85_000, "lumOff": 15_000},
    "muted": {"val": "tx1", "lumMod": 65_000, "lumOff": 35_000},
    "line": {"val": "bg1", "lumMod": 85_000},
    "white": {"val": "bg1"},
}
# The theme's font for headings and text, which style.py sets.
_FACE = "+mn-ea"


class _WrittenLabel(DataLabel):
    """A data label with its own text, which openpyxl's class leaves out of the schema."""

    tagname = "dLbl"
    tx = Typed(expected_type=Text, allow_none=True)
    __attrs__ = DataLabel.__attrs__
    __nested__ = DataLabel.__nested__
    __elements__ = ("idx", "tx", *DataLabel.__elements__[1:])

    def __init__(self, idx: int, tx: Text, **rest: Any) -> None:
        self.tx = tx
        super().__init__(idx=idx, **rest)


def colour(name: str, alpha: int | None = None) -> ColorChoice:
    """A colour of the theme by its name in style.toml; alpha in thousandths of a per cent.

    ink, muted, line and white are shades of the theme's text and background.
    """
    how: dict[str, Any] = {"alpha": alpha}
    if name in ACCENTS:
        how["val"] = f"accent{ACCENTS.index(name) + 1}"
    else:
        how |= _SHADES[name]
    scheme: Any = SchemeColor(**how)
    return ColorChoice(schemeClr=scheme)


def _line(name: str, points: float) -> LineProperties:
    line = LineProperties(w=int(points * _EMU_PER_POINT))
    line.solidFill = colour(name)
    return line


def _no_line() -> LineProperties:
    line = LineProperties()
    line.noFill = True
    return line


def filled(name: str, alpha: int | None = None, outline: str = "") -> GraphicalProperties:
    """An area of one colour."""
    shape = GraphicalProperties()
    shape.solidFill = colour(name, alpha)
    shape.line = _line(outline, 0.75) if outline else _no_line()
    return shape


def nothing() -> GraphicalProperties:
    """Neither area nor outline."""
    shape = GraphicalProperties(noFill=True)
    shape.line = _no_line()
    return shape


def drawn(name: str, points: float) -> GraphicalProperties:
    """A line of one colour."""
    shape = GraphicalProperties()
    shape.line = _line(name, points)
    return shape


def marker(name: str) -> Marker:
    """A round point on a line."""
    return Marker(symbol="circle", size=6, spPr=filled(name, outline="white"))


def characters(size: float, bold: bool = False, name: str = "ink") -> CharacterProperties:
    """Properties of a run of text; size in points."""
    return CharacterProperties(
        sz=int(size * 100),
        b=bold,
        solidFill=colour(name),
        latin=TextFont(typeface="+mn-lt"),
        ea=TextFont(typeface=_FACE),
    )


def _rich(text: str, properties: CharacterProperties) -> RichText:
    """Text with its own look."""
    paragraph = Paragraph(
        pPr=ParagraphProperties(defRPr=properties), r=[RegularTextRun(rPr=properties, t=text)]
    )
    return RichText(bodyPr=RichTextProperties(), p=[paragraph])


def default_text(size: float, name: str = "muted") -> RichText:
    """The look of text that the program writes, such as an axis' labels."""
    properties = characters(size, name=name)
    return RichText(
        bodyPr=RichTextProperties(),
        p=[Paragraph(pPr=ParagraphProperties(defRPr=properties), endParaRPr=properties)],
    )


def title(text: str, size: float = 12, bold: bool = True, name: str = "ink") -> Title:
    """A title of a chart or axis."""
    return Title(tx=Text(rich=_rich(text, characters(size, bold, name))), overlay=False)


def name_from(sheet: Worksheet, row: int, column: int) -> SeriesLabel:
    """A series' name from the heading above its figures."""
    where = f"'{sheet.title}'!${get_column_letter(column)}${row}"
    return SeriesLabel(strRef=StrRef(where))


def label(
    index: int, text: str, position: str, size: float = 8, bold: bool = False, name: str = "ink"
) -> DataLabel:
    """A written label at one point of a series; position r, l, t, b or ctr."""
    return _WrittenLabel(
        idx=index,
        tx=Text(rich=_rich(text, characters(size, bold, name))),
        dLblPos=position,
        showLegendKey=False,
        showVal=True,
        showCatName=False,
        showSerName=False,
        showPercent=False,
        showBubbleSize=False,
    )


def texts(labels: Sequence[DataLabel]) -> DataLabelList:
    """Written labels of a series; points without one stay bare."""
    return DataLabelList(
        dLbl=list(labels),
        showLegendKey=False,
        showVal=False,
        showCatName=False,
        showSerName=False,
        showPercent=False,
        showBubbleSize=False,
    )


def legend(position: str) -> Legend:
    """A legend in small type."""
    made = Legend()
    made.position = position
    made.overlay = False
    made.txPr = default_text(9)
    return made


def plot_box(x: float, y: float, w: float, h: float) -> Layout:
    """Where the plot's inner area stands, as shares of the chart."""
    return Layout(
        manualLayout=ManualLayout(
            layoutTarget="inner", xMode="edge", yMode="edge", x=x, y=y, w=w, h=h
        )
    )


def dress_axis(axis: Any, text: str, number_format: str = "", grid: bool = True) -> None:
    """Title, number format, quiet lines and small type for one axis."""
    axis.delete = False
    axis.title = title(text, 9, bold=False, name="muted") if text else None
    axis.txPr = default_text(9)
    axis.spPr = drawn("line", 1)
    axis.majorTickMark = "none"
    axis.majorGridlines = ChartLines(spPr=drawn("line", 0.5)) if grid else None
    if number_format:
        axis.numFmt = NumFmt(formatCode=number_format, sourceLinked=False)


def dress(
    chart: Any,
    text: str,
    *,
    x_title: str = "",
    x_format: str = "",
    y_title: str = "",
    y_format: str = "",
) -> None:
    """Title, axes, frame and background of a chart."""
    chart.title = title(text)
    dress_axis(chart.x_axis, x_title, x_format, grid=False)
    dress_axis(chart.y_axis, y_title, y_format)
    chart.graphical_properties = filled("white", outline="line")
    chart.roundedCorners = False
    chart.visible_cells_only = False
