"""What guests report to be wrong with their power."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bookings.models.stays import Stay
from meters.models import Meter


class ProblemReport(models.Model):
    """A guest's word that something is wrong with his power, and what was known of his outlets then. Written only by
    bookings/reports.py.

    `text` and `note` may tell of a person: both are emptied when the guest is forgotten; `state` stays.
    """

    class Kind(models.TextChoices):
        NO_POWER = "no_power", _("I have no power")
        TRIPS = "trips", _("The breaker trips again and again")
        WRONG_OUTLET = "wrong_outlet", _("This is not my outlet")
        KWH = "kwh", _("The kWh look wrong")
        OTHER = "other", _("Something else")

    stay = models.ForeignKey(Stay, models.PROTECT, related_name="reports", verbose_name=_("stay"))
    meter = models.ForeignKey(
        Meter, models.SET_NULL, null=True, related_name="+", verbose_name=_("outlet"), help_text=_("Empty: not said.")
    )
    kind = models.CharField(_("what"), max_length=12, choices=Kind.choices)
    text = models.CharField(_("in the guest's words"), max_length=1000, blank=True, default="")
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES)
    made_at = models.DateTimeField(_("reported"))
    state = models.JSONField(
        default=list, editable=False, help_text="What was known of each outlet of the stay: bookings.reports.Known."
    )
    solved_at = models.DateTimeField(_("solved"), null=True)
    solved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("solved by")
    )
    note = models.CharField(_("note"), max_length=250, blank=True, default="", help_text=_("Guests never see it."))

    class Meta:
        ordering = ["-made_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(solved_at__isnull=False) | Q(solved_by=None, note=""), name="an_open_report_has_no_solver"
            )
        ]
        indexes = [models.Index(fields=["made_at"], condition=Q(solved_at=None), name="report_open")]
        verbose_name = _("reported problem")
        verbose_name_plural = _("reported problems")

    def __str__(self) -> str:
        return f"{self.pk}"
