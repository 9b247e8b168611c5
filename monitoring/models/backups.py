"""What was backed up, where it lies, and whether it was ever brought back."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Origin(models.TextChoices):
    """What made it happen."""

    SCHEDULE = "schedule", _("by itself")
    COMMAND = "command", _("by a command")
    PERSON = "person", _("by a person")


class BackupRun(models.Model):
    """One making of a backup. Written only by monitoring/backup/runs.py."""

    class Status(models.TextChoices):
        RUNNING = "running", _("under way")
        DONE = "done", _("done")
        INCOMPLETE = "incomplete", _("incomplete")
        FAILED = "failed", _("failed")

    started_at = models.DateTimeField(_("begun"))
    finished_at = models.DateTimeField(_("ended"), null=True)
    origin = models.CharField(_("made"), max_length=10, choices=Origin.choices, default=Origin.SCHEDULE)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.RUNNING)
    step = models.CharField(_("step"), max_length=80, blank=True, help_text="What it is, or was last, at work on.")
    bytes = models.PositiveBigIntegerField(_("size"), default=0, help_text="Of the sealed files, so far.")
    manifest = models.JSONField(null=True)
    error = models.TextField(_("what went wrong"), blank=True)
    heartbeat = models.DateTimeField(_("last sign of life"))

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status="running"), name="one_backup_at_a_time"),
        ]
        verbose_name = _("backup")
        verbose_name_plural = _("backups")

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"

    @property
    def duration(self) -> timedelta | None:
        """How long it took; none while it is under way."""
        return self.finished_at - self.started_at if self.finished_at else None


class BackupCopy(models.Model):
    """A backup on one target. Written only by monitoring/backup/runs.py."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("under way")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    run = models.ForeignKey(BackupRun, models.CASCADE, related_name="copies", verbose_name=_("backup"))
    target = models.CharField(_("target"), max_length=40)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.WAITING)
    bytes = models.PositiveBigIntegerField(_("size"), default=0)
    duration_s = models.FloatField(_("seconds"), null=True)
    finished_at = models.DateTimeField(_("ended"), null=True)
    error = models.TextField(_("what went wrong"), blank=True)
    pruned_at = models.DateTimeField(_("removed there"), null=True, help_text="When its generation had passed.")

    class Meta:
        ordering = ["run", "target"]
        constraints = [models.UniqueConstraint(fields=["run", "target"], name="one_copy_a_target")]
        indexes = [models.Index(fields=["target", "-finished_at"], name="newest_copy_of_a_target")]
        verbose_name = _("copy of a backup")
        verbose_name_plural = _("copies of backups")

    def __str__(self) -> str:
        return f"{self.target}: {self.get_status_display()}"


class RestoreDrill(models.Model):
    """One proof that a backup can be brought back. Written only by monitoring/backup/drill.py."""

    class Status(models.TextChoices):
        RUNNING = "running", _("under way")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    started_at = models.DateTimeField(_("begun"))
    finished_at = models.DateTimeField(_("ended"), null=True)
    origin = models.CharField(_("made"), max_length=10, choices=Origin.choices, default=Origin.SCHEDULE)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    target = models.CharField(_("target"), max_length=40)
    backup_at = models.DateTimeField(_("backup of"), null=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.RUNNING)
    step = models.CharField(_("step"), max_length=80, blank=True)
    report = models.JSONField(default=dict)
    error = models.TextField(_("what went wrong"), blank=True)

    class Meta:
        ordering = ["-started_at"]
        verbose_name = _("restore drill")
        verbose_name_plural = _("restore drills")

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"
