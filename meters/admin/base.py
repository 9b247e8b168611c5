"""What the admin's pages share: read-only, told to the boards, and how a value looks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from meters import ages, notify
from meters.models import Installation

Text = str | Promise


class NeverWritten:
    """What devices report is nobody's to edit."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(NeverWritten, ModelAdmin):
    list_per_page = 100


class ReadOnlyInline(NeverWritten, TabularInline):
    extra = 0
    can_delete = False
    show_change_link = False
    per_page = 10
    hide_title = True


class ToldAdmin(ModelAdmin):
    """Staff's own tables: boards hear of each change."""

    list_per_page = 100
    formfield_overrides = {ArrayField: {"widget": UnfoldAdminTextInputWidget}}

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        notify.touch()

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        with transaction.atomic():
            super().delete_model(request, obj)
            notify.touch()

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            notify.touch()


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=250, required=False, widget=UnfoldAdminTextInputWidget)


class PeriodColumns:
    """From when to when an installation lasted."""

    @admin.display(description=_("from"), ordering="period")
    def since(self, installation: Installation) -> str:
        return local(installation.period.lower)

    @admin.display(description=_("to"))
    def until(self, installation: Installation) -> str:
        return local(installation.period.upper)


# --- how a value looks -----------------------------------------------------------------------------------------------

NOTHING = "–"
admin.site.empty_value_display = NOTHING
ONLINE_VARIANTS = {"online": "success", "offline": "danger", "unknown": "warning"}
admin.site.index_title = _("Administration")
ON_OFF: dict[bool, tuple[Text, str]] = {True: (_("on"), "success"), False: (_("off"), "")}


def link(table: str, pk: Any, text: Any) -> str:
    """To a row's page, such as link("meters_meter", 7, meter)."""
    html = '<a class="text-primary-600 dark:text-primary-500 whitespace-nowrap" href="{}">{}</a>'
    return format_html(html, reverse(f"admin:{table}_change", args=[pk]), text)


def label(text: Text, variant: str = "", hint: Text = "") -> str:
    """A coloured word: success, warning, danger, info or plain."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": variant, "label_title": hint})


def nowrap(text: Any) -> str:
    """On one line, also in a narrow column."""
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def ago(moment: datetime | None) -> str:
    """ "5 minutes ago", with the exact time in the tooltip."""
    if moment is None:
        return NOTHING
    words = ages.ago(moment, timezone.now())
    return format_html('<span class="whitespace-nowrap" title="{}">{}</span>', local(moment), words)


def local(moment: datetime | None) -> str:
    """A moment by the campsite's clock."""
    return formats.date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT") if moment else NOTHING


def clock(moment: datetime) -> str:
    """A time of day to the second, by the campsite's clock."""
    return formats.date_format(timezone.localtime(moment), gettext("H:i:s"))


def exact(moment: datetime | None) -> str:
    """A moment to the second, by the campsite's clock."""
    if moment is None:
        return NOTHING
    return f"{formats.date_format(timezone.localtime(moment), 'SHORT_DATE_FORMAT')} {clock(moment)}"


def quantity(value: Any, unit: str, places: int = 0) -> str:
    """A value with its unit, as the language writes numbers."""
    if value is None:
        return NOTHING
    return nowrap(f"{formats.number_format(value, places, force_grouping=True)} {unit}")


def aged(value: str, moment: datetime | None) -> str:
    """A value and how old it is."""
    if moment is None:
        return value
    return format_html('{} <span class="text-base-500 ml-2">{}</span>', value, ago(moment))


def relay(is_on: bool | None) -> str:
    if is_on is None:
        return NOTHING
    return label(*ON_OFF[is_on])
