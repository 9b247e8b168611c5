"""Prices, packages and what was charged."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bookings.models.bookings import Booking
from meters.models import Pitch


class Mode(models.TextChoices):
    """How power is sold; Danish law taxes packages and metered sale differently (SKM2020.13.SR)."""

    INCLUDED = "included", _("included in the price")
    METERED = "metered", _("by the kWh")
    PACKAGE = "package", _("package bought ahead")


class Tariff(models.Model):
    """What power costs guests of these kinds who arrive from `valid_from` on, for their whole stay. Written by the
    admin's forms, so written only by bookings/admin. Of several the newest that fits rules; one for season guests rules
    over one for all.
    """

    Mode = Mode

    name = models.CharField(_("name"), max_length=80)
    mode = models.CharField(_("sold"), max_length=10, choices=Mode.choices)
    kinds = ArrayField(
        models.CharField(max_length=10, choices=Pitch.Kind.choices), verbose_name=_("kinds of pitch"), default=list
    )
    season_only = models.BooleanField(_("season guests only"), default=False)
    valid_from = models.DateField(_("for arrivals from"))
    price = models.DecimalField(
        _("price a kWh incl. VAT"), max_digits=7, decimal_places=4, help_text=_("In the campsite's currency.")
    )
    vat_percent = models.DecimalField(_("VAT in %"), max_digits=4, decimal_places=2, default=25)
    included_kwh_day = models.DecimalField(_("kWh included a night"), max_digits=7, decimal_places=2, default=0)
    included_kwh_stay = models.DecimalField(_("kWh included a stay"), max_digits=7, decimal_places=2, default=0)
    low_kwh = models.DecimalField(
        _("warn below, kWh"), max_digits=7, decimal_places=2, default=5, help_text=_("Of what is left of a package.")
    )
    cut_when_empty = models.BooleanField(
        _("switch off when used up"),
        default=False,
        help_text=_("After a warning and its grace; otherwise what is over is charged by the kWh."),
    )
    grace_h = models.PositiveSmallIntegerField(_("grace after the warning, hours"), default=12)

    class Meta:
        ordering = ["-valid_from", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(price__gte=0, vat_percent__gte=0, included_kwh_day__gte=0, included_kwh_stay__gte=0),
                name="a_tariff_is_not_negative",
            )
        ]
        verbose_name = _("tariff")
        verbose_name_plural = _("tariffs")

    def __str__(self) -> str:
        return self.name


class PackagePattern(models.Model):
    """How a package is recognised among a booking's extras in Sirvoy. Written by the admin's forms: written only by
    bookings/admin.
    """

    pattern = models.CharField(
        _("text"),
        max_length=120,
        unique=True,
        help_text=_(
            "Of the extra's description; * stands for anything, # for the number of kWh. Capitals do not count."
        ),
    )
    kwh = models.DecimalField(
        _("kWh"), max_digits=8, decimal_places=2, null=True, blank=True, help_text=_("Needed where the text has no #.")
    )

    class Meta:
        ordering = ["pattern"]
        verbose_name = _("package's text in Sirvoy")
        verbose_name_plural = _("packages' texts in Sirvoy")

    def __str__(self) -> str:
        return self.pattern


class PackageSale(models.Model):
    """kWh that staff sold to a booking ahead; those sold in Sirvoy stand in Booking.items. Never edited: it is taken
    back by a negative one. Written only by bookings/accounts.
    """

    booking = models.ForeignKey(Booking, models.PROTECT, related_name="packages", verbose_name=_("booking"))
    energy_kwh = models.DecimalField(_("kWh"), max_digits=8, decimal_places=2)
    price = models.DecimalField(_("price incl. VAT"), max_digits=9, decimal_places=2)
    vat_percent = models.DecimalField(_("VAT in %"), max_digits=4, decimal_places=2)
    reason = models.CharField(_("note"), max_length=250, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("sold by"))
    at = models.DateTimeField(_("sold"), auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("package sold")
        verbose_name_plural = _("packages sold")

    def __str__(self) -> str:
        return f"{self.booking_id} {self.energy_kwh} kWh"


class Charge(models.Model):
    """What reception typed into Sirvoy for a booking's power: the accounts. Never edited; taken back by a negative one.
    Written only by bookings/accounts.
    """

    booking = models.ForeignKey(Booking, models.PROTECT, related_name="charges", verbose_name=_("booking"))
    mode = models.CharField(_("sold"), max_length=10, choices=Mode.choices)
    energy_kwh = models.DecimalField(_("kWh"), max_digits=9, decimal_places=3)
    price = models.DecimalField(_("price a kWh incl. VAT"), max_digits=7, decimal_places=4)
    vat_percent = models.DecimalField(_("VAT in %"), max_digits=4, decimal_places=2)
    amount = models.DecimalField(_("amount incl. VAT"), max_digits=10, decimal_places=2)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("when"), auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("charge")
        verbose_name_plural = _("charges")

    def __str__(self) -> str:
        return f"{self.booking_id} {self.amount}"


class PackageNotice(models.Model):
    """That a booking's kWh are nearly or wholly used up, and when the guest was told: nothing is cut before that.

    Written only by bookings/accounts.
    """

    class Level(models.TextChoices):
        LOW = "low", _("nearly used up")
        EMPTY = "empty", _("used up")

    class How(models.TextChoices):
        MAIL = "mail", _("by e-mail")
        STAFF = "staff", _("by staff")

    booking = models.ForeignKey(Booking, models.CASCADE, related_name="notices", verbose_name=_("booking"))
    level = models.CharField(_("what"), max_length=5, choices=Level.choices)
    found_at = models.DateTimeField(_("found"))
    told_at = models.DateTimeField(_("told"), null=True)
    how = models.CharField(_("how"), max_length=5, choices=How.choices, blank=True, default="")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("told by")
    )
    tried_at = models.DateTimeField(_("mail tried"), null=True)
    error = models.CharField(_("why no mail was sent"), max_length=200, blank=True, default="")
    ended_at = models.DateTimeField(_("over"), null=True, help_text=_("More was bought, or the guest left."))

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["booking", "level"], condition=Q(ended_at=None), name="one_open_notice_a_booking_and_level"
            )
        ]
        verbose_name = _("notice of a used-up package")
        verbose_name_plural = _("notices of used-up packages")

    def __str__(self) -> str:
        return f"{self.booking_id} {self.level}"
