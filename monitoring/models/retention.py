"""What became of old rows."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Forgetting(models.Model):
    """The last time that what is old of one kind was forgotten, and how old what is left is. Written only by
    monitoring/retention.

    `slug` is that of monitoring/retention/table.py. `forgotten` is null where others see to it: the job only looks.
    """

    slug = models.SlugField(primary_key=True, max_length=40)
    at = models.DateTimeField(_("when"), null=True)
    forgotten = models.PositiveIntegerField(_("forgotten"), null=True)
    took = models.DurationField(_("took"), null=True)
    oldest_at = models.DateTimeField(_("oldest that is left"), null=True)
    error = models.CharField(_("what went wrong"), max_length=200, blank=True)

    class Meta:
        ordering = ["slug"]
        verbose_name = _("kept data")
        verbose_name_plural = _("kept data")

    def __str__(self) -> str:
        return self.slug
