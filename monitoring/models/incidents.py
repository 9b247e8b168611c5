"""What was found wrong, and who looks after it."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from meters.models import Area
from monitoring import components, words
from monitoring.components import Component
from monitoring.findings import Severity


class Incident(models.Model):
    """One thing that is or was wrong; one a key at a time. Written only by monitoring/incidents.py.

    Found once, it waits unopened: only what is found again opens, and only what is missed again closes.
    """

    key = models.CharField(max_length=200)
    code = models.CharField(_("kind"), max_length=40)
    about = models.CharField(max_length=160, blank=True)
    area = models.ForeignKey(
        Area,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("area"),
        help_text="Whose it is; none: all's.",
    )
    check_name = models.CharField(max_length=80, blank=True, db_default="", help_text="Of the check that found it.")
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    worst = models.CharField(max_length=10, blank=True, db_default="", help_text="The worst that it was.")
    facts = models.JSONField(default=dict)
    part_of = models.CharField(max_length=200, blank=True, help_text="The key of what explains it.")
    since = models.DateTimeField(_("since"))
    found_at = models.DateTimeField(_("last found"))
    times_found = models.PositiveIntegerField(default=1)
    times_missed = models.PositiveIntegerField(default=0, help_text="In a row, since it was last found.")
    opened_at = models.DateTimeField(_("opened"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    comebacks = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How often it came back shortly after it was over."
    )
    shown_at = models.DateTimeField(null=True, help_text="Since when nothing keeps it from being told.")
    unseen_since = models.DateTimeField(null=True, help_text="Since when nobody can see whether it goes on.")
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True)
    snoozed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("snoozed by")
    )
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

    @property
    def component(self) -> str:
        """A value of Component."""
        return components.of(self.code)


class IncidentNote(models.Model):
    """What people did about an incident, and when it got worse. Written only by monitoring/incidents.py."""

    class Kind(models.TextChoices):
        LOOKED_AFTER = "looked_after", _("looks after it")
        LEFT = "left", _("does not look after it any more")
        SAID = "said", _("says")
        SNOOZED = "snoozed", _("snoozed it")
        WOKEN = "woken", _("ended the snoozing")
        WORSE = "worse", _("it got worse")

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="notes", verbose_name=_("incident"))
    kind = models.CharField(_("kind"), max_length=15, choices=Kind.choices)
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    text = models.CharField(_("comment"), max_length=300, blank=True)
    until = models.DateTimeField(_("until"), null=True)

    class Meta:
        ordering = ["at", "pk"]
        verbose_name = _("note of an incident")
        verbose_name_plural = _("notes of incidents")

    def __str__(self) -> str:
        return f"{self.by or ''} {self.get_kind_display()} {self.text}".strip()


class MaintenanceWindow(models.Model):
    """A time in which something is worked on: what is found of it is noted, and not told. Written only by
    monitoring/admin.
    """

    area = models.ForeignKey(
        Area,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("area"),
        help_text=_("Neither area nor part: the whole site."),
    )
    component = models.CharField(_("part"), max_length=20, choices=Component.choices, blank=True)
    from_at = models.DateTimeField(_("from"))
    to_at = models.DateTimeField(_("until"))
    why = models.CharField(_("why"), max_length=200)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        ordering = ["-from_at"]
        constraints = [
            models.CheckConstraint(condition=Q(to_at__gt=F("from_at")), name="window_ends_after_it_began"),
            models.CheckConstraint(condition=Q(area=None) | Q(component=""), name="window_of_one_thing"),
        ]
        verbose_name = _("maintenance window")
        verbose_name_plural = _("maintenance windows")

    def __str__(self) -> str:
        return f"{self.scope}: {self.why}"

    @property
    def scope(self) -> str:
        """What is worked on, in the reader's language."""
        return str(self.area or self.get_component_display() or _("the whole site"))

    def clean(self) -> None:
        if self.area_id and self.component:
            raise ValidationError(_("Choose an area or a part, not both; for both, make two windows."))
        if self.from_at and self.to_at and self.to_at <= self.from_at:
            raise ValidationError({"to_at": _("It must end after it began.")})


class Look(models.Model):
    """From when to when the site was looked at each minute, and how an area in service is was seen. Of other times
    nobody knows.

    Written only by monitoring/looks.py.
    """

    area = models.ForeignKey(Area, models.CASCADE, null=True, related_name="+", help_text="None: the site.")
    since = models.DateTimeField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["since"]
        verbose_name = _("time looked at")
        verbose_name_plural = _("times looked at")

    def __str__(self) -> str:
        return f"{self.since} – {self.until}"
