"""Who used what: which meter served which stay from one energy value to another. The only package that writes StayMeter
and Correction, and the only place that computes used kWh.

No two lines of a meter overlap. See docs/ledger.md.
"""

from bookings.ledger.align import Aligned, align, unaligned
from bookings.ledger.corrections import correct
from bookings.ledger.errors import BadCorrection, LedgerError, OutletTaken
from bookings.ledger.lay import Piece, Span, is_laid, is_near, lay, overlap, pieces
from bookings.ledger.lines import begin, concerned, end, end_all, exchange, forgotten, lock, taken_down
from bookings.ledger.use import Book, Measured, Share, Used, measure, used_by_stay, used_kwh

__all__ = [
    "Aligned",
    "BadCorrection",
    "Book",
    "LedgerError",
    "Measured",
    "OutletTaken",
    "Piece",
    "Share",
    "Span",
    "Used",
    "align",
    "begin",
    "concerned",
    "correct",
    "end",
    "end_all",
    "exchange",
    "forgotten",
    "is_laid",
    "is_near",
    "lay",
    "lock",
    "measure",
    "overlap",
    "pieces",
    "taken_down",
    "unaligned",
    "used_by_stay",
    "used_kwh",
]
