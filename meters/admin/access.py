"""Users, groups, machines' tokens and the audit log in the theme's clothes."""

from __future__ import annotations

from typing import Any

from auditlog.admin import LogEntryAdmin
from auditlog.filters import ResourceTypeFilter
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django_q.models import OrmQ, Schedule, Success
from rest_framework.authtoken.admin import TokenAdmin as DrfTokenAdmin
from rest_framework.authtoken.models import TokenProxy
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from meters.admin import history
from meters.admin.base import link, local

# Of background jobs only those that failed are anybody's business: the schedules stand in code.
for _model in (User, Group, TokenProxy, LogEntry, OrmQ, Schedule, Success):
    admin.site.unregister(_model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Who may change users gives them groups; only a superuser makes superusers, or touches one."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, "is_superuser", "user_permissions"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)


def _may_touch(request: HttpRequest, user: Any) -> bool:
    return bool(request.user.is_superuser) or not (isinstance(user, User) and user.is_superuser)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


@admin.register(TokenProxy)
class TokenAdmin(DrfTokenAdmin, ModelAdmin):
    """The key is seen on a token's own page only: not in the list, not in the admin's log."""

    list_display = ["user", "created"]
    list_select_related = ["user"]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return []


@admin.register(LogEntry)
class AuditAdmin(LogEntryAdmin, ModelAdmin):
    list_display = ["at", "who", "row", "what"]
    list_filter = ["action", ResourceTypeFilter]
    readonly_fields = ["at", "who", "row", "action", "what"]
    fieldsets = [(None, {"fields": ["at", "who", "row", "action", "what"]})]

    @admin.display(description=_("when"), ordering="timestamp")
    def at(self, entry: LogEntry) -> str:
        return format_html('<span class="whitespace-nowrap">{}</span>', local(entry.timestamp))

    @admin.display(description=_("who"))
    def who(self, entry: LogEntry) -> str:
        return history.who(entry)

    @admin.display(description=_("about"))
    def row(self, entry: LogEntry) -> str:
        """What it was about, with the way there."""
        kind = entry.content_type
        text = f"{kind.name} {entry.object_repr}"
        try:
            return link(f"{kind.app_label}_{kind.model}", entry.object_pk, text)
        except NoReverseMatch:
            return text

    @admin.display(description=_("what changed"))
    def what(self, entry: LogEntry) -> str:
        return history.in_words(entry)
