"""Users, groups, machines' tokens and failed jobs in the theme's clothes; the audit log is in audit_log.py."""

from __future__ import annotations

from typing import Any

import auditlog.admin  # noqa: F401  (registers what is taken back below)
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django_q.admin import FailAdmin
from django_q.models import Failure, OrmQ, Schedule, Success
from rest_framework.authtoken.admin import TokenAdmin as DrfTokenAdmin
from rest_framework.authtoken.models import TokenProxy
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from meters.admin.base import NOTHING, NeverWritten, Text
from meters.people import person

# Of background jobs only those that failed are anybody's business: the schedules stand in code.
for _model in (User, Group, TokenProxy, LogEntry, Failure, OrmQ, Schedule, Success):
    admin.site.unregister(_model)


# --- the words -------------------------------------------------------------------------------------------------------

GROUPS: dict[str, Text] = {
    "reception": _("Reception"),
    "technician": _("Technicians"),
    "manager": _("Managers"),
    "auditor": _("Auditors"),
}
ACTS: dict[str, Text] = {"view": _("see"), "add": _("add"), "change": _("change"), "delete": _("remove")}
GIVEN = ["meters", "bookings", "monitoring", "auth", "authtoken", "auditlog", "django_q"]
"""Apps whose permissions lead somewhere in the admin."""
OWN_ACTS: dict[str, Text] = {"switch_meter": _("switch on and off"), "resume_automatic": _("let it switch again")}


def group_words(group: Group) -> str:
    """Ours by what they are called here, others as staff named them."""
    return str(GROUPS.get(group.name, group.name))


def permission_words(permission: Permission) -> tuple[str, str]:
    """What it is about, and what may be done with it: Django stores this in English."""
    model = permission.content_type.model_class()
    table = capfirst(model._meta.verbose_name_plural) if model else permission.content_type.model
    act = OWN_ACTS.get(permission.codename) or ACTS.get(permission.codename.split("_")[0], permission.codename)
    return str(table), str(act)


def in_words(field: Any) -> Any:
    """A choice of permissions."""
    field.label_from_instance = lambda permission: ": ".join(permission_words(permission))
    field.queryset = field.queryset.filter(content_type__app_label__in=GIVEN).select_related("content_type")
    return field


class GroupFilter(admin.RelatedFieldListFilter):
    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(group.pk), group_words(group)) for group in Group.objects.order_by("name")]


# --- who -------------------------------------------------------------------------------------------------------------


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Who may change users touches only those who may no more than they do themselves, and gives no more than that.

    Only a superuser makes superusers, touches one, or gives a permission without a group.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    add_form_template = None  # it would say that groups come on a second page
    add_fieldsets = [(None, {"fields": ["username", "first_name", "last_name", "password1", "password2", "groups"]})]
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "in_groups", "is_active", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active", ("groups", GroupFilter)]
    filter_horizontal = ["user_permissions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("groups"))
    def in_groups(self, user: User) -> str:
        return ", ".join(map(group_words, user.groups.all())) or NOTHING

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, "is_superuser"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """No single permissions but for a superuser; of a password nothing, but for who may set it anew."""
        hidden = set() if request.user.is_superuser else {"user_permissions"}
        if obj and not self.has_change_permission(request, obj):
            hidden.add("password")
        return [
            (title, told | {"fields": [name for name in told["fields"] if name not in hidden]})
            for title, told in super().get_fieldsets(request, obj)
        ]

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        made: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.name == "groups":
            made.label_from_instance = group_words
            if not request.user.is_superuser:
                made.queryset = made.queryset.exclude(permissions__in=Permission.objects.exclude(held_by(request.user)))
        return in_words(made) if db_field.name == "user_permissions" else made

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Whoever is made here logs in here: guests have no account."""
        obj.is_staff |= not change
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        """Back to the list: all was asked on one page, unlike Django's own."""
        return ModelAdmin.response_add(self, request, obj, post_url_continue)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj) and not _has_acted(obj)


def _has_acted(user: Any) -> bool:
    """Whose name stands in the audit log stays: such an account is made inactive."""
    return isinstance(user, User) and LogEntry.objects.filter(actor=user).exists()


def _may_touch(request: HttpRequest, user: Any) -> bool:
    if request.user.is_superuser or not isinstance(user, User):
        return True
    more = Permission.objects.filter(held_by(user)).exclude(held_by(request.user))
    return not user.is_superuser and not more.exists()


def held_by(user: Any) -> Q:
    """The permissions that somebody has, or would have as soon as the account is active."""
    return Q(pk__in=user.user_permissions.values("pk")) | Q(group__in=user.groups.values("pk"))


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    list_display = ["title"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["name", "permissions"] if self.has_change_permission(request, obj) else ["title", "may"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if self.has_change_permission(request, obj) else ["title", "may"]

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        return in_words(super().formfield_for_manytomany(db_field, request, **kwargs))

    @admin.display(description=_("group"), ordering="name")
    def title(self, group: Group) -> str:
        return group_words(group)

    @admin.display(description=_("what it may do"))
    def may(self, group: Group) -> str:
        """A line for each table."""
        acts: dict[str, list[str]] = {}
        for permission in group.permissions.select_related("content_type"):
            table, act = permission_words(permission)
            acts.setdefault(table, []).append(act)
        lines = sorted((table, ", ".join(words)) for table, words in acts.items())
        return format_html_join("", '<div><span class="text-base-500">{}:</span> {}</div>', lines) or NOTHING


@admin.register(TokenProxy)
class TokenAdmin(DrfTokenAdmin, ModelAdmin):
    """The key is seen on a token's own page only: not in the list, not in the admin's log."""

    list_display = ["user", "created"]
    list_select_related = ["user"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        _note_token(obj.user, "changed" if change else "made", request.user)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        _note_token(obj.user, "removed", request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for token in queryset.select_related("user"):
            self.delete_model(request, token)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return []


def _note_token(whose: User, what: str, by: Any) -> None:
    """On the account whose token it is: an entry on the token would hold its key."""
    LogEntry.objects.log_create(whose, action=LogEntry.Action.UPDATE, changes={"token": ["", what]}, actor=person(by))


@admin.register(Failure)
class FailureAdmin(NeverWritten, FailAdmin, ModelAdmin):
    """To be read. Nothing is done once more by hand: each job is periodic, its next run does what this one did not."""

    actions = ()
