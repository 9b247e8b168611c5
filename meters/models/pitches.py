"""Pitches: where guests stand, and how their power may be treated."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Pitch(models.Model):
    """A place of the campsite. Written by the admin's forms, those of a former system made by meters/legacy;
    `occupied_until` only by meters/pitches.py.
    """

    class Kind(models.TextChoices):
        TOURING = "touring", _("touring pitch")
        SEASONAL = "seasonal", _("seasonal pitch")
        CABIN = "cabin", _("cabin")
        SERVICE = "service", _("service")

    class Policy(models.TextChoices):
        AUTOMATIC = "automatic", _("automatic")
        NEVER_CUT = "never_cut", _("never cut automatically")
        MANUAL = "manual", _("switched by hand only")

    number = models.CharField(
        _("number"), max_length=40, unique=True, help_text=_("As the booking system names the room.")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.TOURING)
    aliases = ArrayField(models.CharField(max_length=40), verbose_name=_("other names"), default=list, blank=True)
    policy = models.CharField(_("switching"), max_length=10, choices=Policy.choices, default=Policy.AUTOMATIC)
    fuse_a = models.PositiveSmallIntegerField(_("fuse in A"), null=True, blank=True)
    occupied_until = models.DateTimeField(_("occupied until"), null=True, blank=True, editable=False)
    map_x = models.FloatField(_("place on the map, x"), null=True, blank=True)
    map_y = models.FloatField(_("place on the map, y"), null=True, blank=True)

    class Meta:
        ordering = ["number"]
        verbose_name = _("pitch")
        verbose_name_plural = _("pitches")

    def __str__(self) -> str:
        return self.number
