"""Corrections by staff: rows with a person and a reason, never edits."""

from __future__ import annotations

from decimal import Decimal

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from bookings import twice
from bookings.ledger.errors import BadCorrection
from bookings.ledger.use import used_kwh
from bookings.models import Correction, Stay

MOST_KWH = Decimal(100_000)
RESOLUTION_KWH = Decimal("0.001")


def correct(stay: Stay, kwh: Decimal, reason: str, by: User) -> Correction:
    """Add kWh to what the stay used; negative: take them off. Pressed twice, it is the correction of the first time.
    Raises BadCorrection.
    """
    reason = " ".join(reason.split())
    told = {"energy_kwh": kwh, "reason": reason, "by": by}
    with transaction.atomic():
        Stay.objects.select_for_update(no_key=True).get(pk=stay.pk)
        if same := twice.made_already(stay.corrections.all(), told):
            return same
        _check(stay, kwh, reason)
        made = Correction.objects.create(stay=stay, **told)
        changes = {"kWh": ["None", str(kwh)], "reason": ["None", reason]}
        LogEntry.objects.log_create(made, action=LogEntry.Action.CREATE, changes=changes, actor=by)
    return made


def _check(stay: Stay, kwh: Decimal, reason: str) -> None:
    if not reason:
        raise BadCorrection(_("A correction needs a reason."))
    if len(reason) > 250:
        raise BadCorrection(_("The reason is too long."))
    if not kwh.is_finite() or kwh == 0 or abs(kwh) > MOST_KWH or kwh != kwh.quantize(RESOLUTION_KWH):
        raise BadCorrection(_("Say a number of kWh other than 0, with at most three decimals."))
    used = used_kwh([stay]).kwh
    if used + kwh > MOST_KWH:
        raise BadCorrection(_("So much is not possible: look at the number again."))
    if used + kwh < 0:
        raise BadCorrection(_("More would be taken off than was used."))
