"""Who is told of what, and what was told."""

from __future__ import annotations

from datetime import time

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meters.models import Area
from monitoring.components import Component
from monitoring.findings import Severity
from monitoring.models.incidents import Incident


class AlertRoute(models.Model):
    """Who is told of what. Its address is a secret of the settings. Written only by monitoring/admin."""

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
    areas = models.ManyToManyField(Area, verbose_name=_("areas"), blank=True, related_name="+")
    components = ArrayField(
        models.CharField(max_length=20, choices=Component.choices),
        verbose_name=_("parts"),
        default=list,
        blank=True,
        help_text=_("It is told of the chosen areas, and of the chosen parts. Nothing chosen: of everything."),
    )
    from_time = models.TimeField(
        _("from"), null=True, blank=True, help_text=_("By the campsite's clock; empty: at any time.")
    )
    to_time = models.TimeField(
        _("until"), null=True, blank=True, help_text=_("What comes outside of these hours waits until they begin.")
    )
    wakes = models.BooleanField(
        _("criticals at any time"),
        default=True,
        help_text=_(
            "Something critical is told outside of these hours, too. Switched off, it waits like the rest: then "
            "another route must be there for the night."
        ),
    )
    digest = models.CharField(
        _("collect"),
        max_length=10,
        blank=True,
        choices=[
            ("", _("nothing: tell each at once")),
            (Severity.NOTICE, _("notices")),
            (Severity.WARNING, _("warnings and notices")),
        ],
        help_text=_("Told together in one message a day. Something critical is always told at once."),
    )
    digest_at = models.TimeField(
        _("collected until"), default=time(8), help_text=_("When that message comes, by the campsite's clock.")
    )
    after_min = models.PositiveIntegerField(
        _("only when nobody looks after it for"),
        default=0,
        help_text=_("Minutes: this route is the next one, when the first was told in vain. 0: told from the start."),
    )
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

    def clean(self) -> None:
        if (self.from_time is None) != (self.to_time is None) or (self.from_time and self.from_time == self.to_time):
            raise ValidationError({"to_time": _("Say both, from when and until when, or neither.")})


class RouteState(models.Model):
    """Whether messages to a route get through. Written only by monitoring/alerts.py."""

    route = models.OneToOneField(AlertRoute, models.CASCADE, primary_key=True, related_name="state")
    told_at = models.DateTimeField(_("last told"), null=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row, since it was last told.")
    failing_since = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("route's report")
        verbose_name_plural = _("routes' reports")

    def __str__(self) -> str:
        return f"{self.route}: {self.told_at}"


class Alert(models.Model):
    """One thing that a route is told of an incident. Written only by monitoring/alerts.py."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("it began")
        AGAIN = "again", _("it goes on")
        WORSE = "worse", _("it got worse")
        CLOSED = "closed", _("it is over")

    route = models.ForeignKey(AlertRoute, models.CASCADE, related_name="alerts", verbose_name=_("alert route"))
    incident = models.ForeignKey(Incident, models.CASCADE, related_name="alerts", verbose_name=_("incident"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    number = models.PositiveIntegerField(default=0, help_text="So many of it went before to this route.")
    severity = models.CharField(
        max_length=10, choices=Severity.choices, default=Severity.CRITICAL, db_default=Severity.CRITICAL
    )
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
