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


class AlertRoute(models.Model):
    """Who is told of what. Its address is a secret of the settings. Written only by monitoring/admin.py."""

    class Language(models.TextChoices):
        DANISH = "da", _("Danish")
        ENGLISH = "en", _("English")

    name = models.SlugField(
        _("name"),
        max_length=40,
        unique=True,
        help_text=_("The same as in ALERT_URLS, where its address stands: on_duty, technician, mail."),
    )
    severity = models.CharField(
        _("at least"),
        max_length=10,
        choices=Severity.choices,
        default=Severity.WARNING,
        help_text=_("Milder ones are not told."),
    )
    language = models.CharField(_("language"), max_length=2, choices=Language.choices, default=Language.DANISH)
    from_time = models.TimeField(
        _("from"), null=True, blank=True, help_text=_("By the campsite's clock; empty: at any time.")
    )
    to_time = models.TimeField(_("until"), null=True, blank=True)
    repeat_after_min = models.PositiveIntegerField(
        _("tell again after"), default=60, help_text=_("Minutes, as long as nobody looks after it. 0: never.")
    )
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("alert route")
        verbose_name_plural = _("alert routes")

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """One thing that a route is told of an incident. Written only by monitoring/alerts.py."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("it began")
        AGAIN = "again", _("it goes on")
        CLOSED = "closed", _("it is over")

    route = models.ForeignKey(AlertRoute, models.CASCADE, related_name="alerts", verbose_name=_("alert route"))
    incident = models.ForeignKey(Incident, models.CASCADE, related_name="alerts", verbose_name=_("incident"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    number = models.PositiveIntegerField(default=0, help_text="Of those of this kind.")
    made_at = models.DateTimeField(_("made"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("due"))
    told_at = models.DateTimeField(_("told"), null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["route", "incident", "kind", "number"], name="told_once"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(told_at=None), name="alert_to_be_told")]
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")

    def __str__(self) -> str:
        return f"{self.route}: {self.get_kind_display()}"
