"""Draws a receipt as a PDF, A4, by fpdf2. Letters that its font does not have become boxes, never an error."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import Path

from django.utils import translation
from django.utils.translation import gettext
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace, TTFFont
from fpdf.prefs import ViewerPreferences
from fpdf.table import Row as DrawnRow

from bookings.portal.receipt.paper import Paper, Row, Table

FONTS = Path(__file__).resolve().parent.parent / "fonts"
FILES = {"": FONTS / "DejaVuSans.ttf", "B": FONTS / "DejaVuSans-Bold.ttf"}
FONT = "DejaVu"
BOX = "□"
UNSEEN = ("Cc", "Cf", "Cs", "Mn", "Me", "Zl", "Zp")
PAGES = "\u202a\u202c"
"""Stands for the number of pages until that is known; `drawable` lets no text have it."""
MARGIN, LABEL = 17, 46
SMALL, NORMAL, HEADING, TITLE = 8.5, 10, 11.5, 18
GREY, LINE = 75, 190


def draw(paper: Paper, now: datetime) -> bytes:
    """The file. Of the same paper and moment it is always the same."""
    sheet = _Sheet(paper, now)
    sheet.add_page()
    _top(sheet, paper)
    for table in paper.tables:
        _table(sheet, table)
    sheet.ln(5)
    sheet.set_text_color(GREY)
    for words in paper.foot:
        _say(sheet, words, SMALL)
    return bytes(sheet.output())


class _Sheet(FPDF):
    """A4 with our fonts; each page says which of how many it is."""

    def __init__(self, paper: Paper, now: datetime) -> None:
        super().__init__(format="A4")
        for style, path in FILES.items():
            self.add_font(FONT, style, path)
        fonts = [font for font in self.fonts.values() if isinstance(font, TTFFont)]
        self.known = frozenset.intersection(*(frozenset(font.cmap) for font in fonts))
        self.set_margins(MARGIN, MARGIN)
        self.c_margin = 0
        self.set_auto_page_break(True, MARGIN + 4)
        self.set_title(self.drawable(f"{paper.title} · {paper.site}"))
        self.set_lang(translation.get_language() or "en")
        self.set_creation_date(now)
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.alias_nb_pages(PAGES)
        self.mark = f"{paper.site} · {paper.head[0][1]}"

    def drawable(self, text: str) -> str:
        """Composed where that is possible; what cannot be seen is left out, what the font does not have is a box."""
        return "".join(map(self._letter, unicodedata.normalize("NFC", text)))

    def _letter(self, letter: str) -> str:
        if letter == "\n":
            return letter
        if unicodedata.category(letter) in UNSEEN:
            return " " if letter.isspace() else ""
        return letter if ord(letter) in self.known else BOX

    def footer(self) -> None:
        self.set_y(-MARGIN + 3)
        self.set_font(FONT, size=SMALL)
        self.set_text_color(GREY)
        self.cell(0, 5, self.drawable(self.mark))
        self.set_x(MARGIN)
        told = gettext("Page %(page)s of %(pages)s") % {"page": self.page_no(), "pages": PAGES}
        self.cell(0, 5, told, align="R")
        self.set_text_color(0)


# --- inside ----------------------------------------------------------------------------------------------------------


def _top(sheet: _Sheet, paper: Paper) -> None:
    _say(sheet, paper.site, HEADING, "B")
    sheet.set_text_color(GREY)
    for words in filter(None, (paper.business, paper.reach)):
        _say(sheet, words, SMALL)
    sheet.set_text_color(0)
    sheet.ln(6)
    _say(sheet, paper.title, TITLE, "B")
    sheet.ln(2)
    for name, text in paper.head:
        _pair(sheet, name, text)
    for words in paper.notes:
        sheet.ln(2)
        _say(sheet, words, NORMAL, "B")


def _pair(sheet: _Sheet, name: str, text: str) -> None:
    sheet.set_font(FONT, size=NORMAL)
    sheet.set_text_color(GREY)
    sheet.cell(LABEL, 5.6, sheet.drawable(name))
    sheet.set_text_color(0)
    sheet.multi_cell(0, 5.6, sheet.drawable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _table(sheet: _Sheet, table: Table) -> None:
    """Its columns' names are repeated on each page; no row is torn apart."""
    sheet.ln(6)
    if sheet.will_page_break(40):
        sheet.add_page()
    _say(sheet, table.title, HEADING, "B")
    for words in table.notes:
        _say(sheet, words, NORMAL)
    sheet.ln(1)
    sheet.set_font(FONT, size=SMALL)
    sheet.set_draw_color(LINE)
    with sheet.table(
        align="L",
        borders_layout="HORIZONTAL_LINES",
        col_widths=tuple(column.width for column in table.columns),
        headings_style=FontFace(emphasis="BOLD", color=GREY),
        line_height=4.3,
        padding=(1.2, 1, 1.2, 0),
        text_align=tuple("R" if column.is_number else "L" for column in table.columns),
        v_align="TOP",
    ) as drawn:
        drawn.row([sheet.drawable(column.name) for column in table.columns])
        for row in table.rows:
            _row(sheet, drawn.row(style=FontFace(emphasis="BOLD") if row.is_sum else None), row)


def _row(sheet: _Sheet, drawn: DrawnRow, row: Row) -> None:
    for cell in row.cells:
        drawn.cell(sheet.drawable(cell.text), align="R" if cell.is_number else "L", colspan=cell.span)


def _say(sheet: _Sheet, text: str, size: float, style: str = "") -> None:
    sheet.set_font(FONT, style, size)
    sheet.multi_cell(0, size * 0.5, sheet.drawable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
