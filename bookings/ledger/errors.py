"""Why the ledger refused."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from bookings.models import Stay


class LedgerError(Exception):
    """`code` is for machines, the text is for people."""

    code = "ledger"


class OutletTaken(LedgerError):
    """Another guest has this meter: `stay`, for staff's eyes only; None where it came a moment before."""

    code = "outlet_taken"

    def __init__(self, stay: Stay | None) -> None:
        super().__init__(_("Another guest has this outlet."))
        self.stay = stay


class BadCorrection(LedgerError):
    code = "bad_correction"
