"""What was found wrong, and who looks after it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from monitoring import words
from monitoring.findings import Severity


class Incident(models.Model):
    """One thing that is or was wrong; one a key at a time. Written only by monitoring/incidents.py.

    Found once, it waits unopened: only what is found again opens, and only what is missed again closes.
    """

    key = models.CharField(max_length=200)
    code = models.CharField(_("kind"), max_length=40)
    about = models.CharField(max_length=160, blank=True)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    facts = models.JSONField(default=dict)
    part_of = models.CharField(max_length=200, blank=True, help_text="The key of what explains it.")
    since = models.DateTimeField(_("since"))
    found_at = models.DateTimeField(_("last found"))
    times_found = models.PositiveIntegerField(default=1)
    times_missed = models.PositiveIntegerField(default=0, help_text="In a row, since it was last found.")
    opened_at = models.DateTimeField(_("opened"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("looked after by")
    )
    seen_at = models.DateTimeField(_("looked after since"), null=True)
    comment = models.CharField(_("comment"), max_length=300, blank=True)

    class Meta:
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(closed_at=None), name="one_incident_a_key"),
        ]
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")

    def __str__(self) -> str:
        return self.what

    @property
    def what(self) -> str:
        """One sentence in the reader's language."""
        return words.what(self.code, self.facts)

    @property
    def todo(self) -> str:
        """What to do about it, in the reader's language."""
        return words.todo(self.code, self.facts)
