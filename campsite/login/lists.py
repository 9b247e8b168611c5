"""Who logged in and who tried in vain, as lists to read. Of passwords and codes nothing is kept."""

from __future__ import annotations

from typing import Any

from axes.models import AccessFailureLog, AccessLog
from django.contrib import admin
from django.utils.translation import gettext, gettext_lazy

from campsite.login import attempts, browsers
from meters.admin.base import NOTHING, ReadOnlyAdmin, local, nowrap


class Listed(ReadOnlyAdmin):
    """What both lists show."""

    search_fields = ["username", "ip_address"]
    show_full_result_count = False

    def has_module_permission(self, request: Any) -> bool:
        return bool(request.user.has_perm(f"axes.view_{self.opts.model_name}"))

    @admin.display(description=gettext_lazy("when"), ordering="attempt_time")
    def at(self, row: Any) -> str:
        return nowrap(local(row.attempt_time))

    @admin.display(description=gettext_lazy("who"), ordering="username")
    def who(self, row: Any) -> str:
        return gettext("a name that nobody has") if row.username.startswith(attempts.UNKNOWN) else row.username

    @admin.display(description=gettext_lazy("from"), ordering="ip_address")
    def address(self, row: Any) -> str:
        return row.ip_address or NOTHING


@admin.register(AccessLog)
class LogIns(Listed):
    list_display = ["at", "who", "address", "until"]
    fields = readonly_fields = [*list_display, "browser"]
    list_filter = ["attempt_time"]

    @admin.display(description=gettext_lazy("logged out"), ordering="logout_time")
    def until(self, row: AccessLog) -> str:
        return nowrap(local(row.logout_time)) if row.logout_time else NOTHING

    @admin.display(description=gettext_lazy("browser"))
    def browser(self, row: AccessLog) -> str:
        return row.user_agent


@admin.register(AccessFailureLog)
class WrongTries(Listed):
    list_display = ["at", "who", "address", "step", "is_known", "is_shut"]
    fields = readonly_fields = list_display
    list_filter = ["attempt_time", "locked_out"]

    @admin.display(description=gettext_lazy("step"))
    def step(self, row: AccessFailureLog) -> str:
        return gettext("password") if row.path_info == "/admin/login/" else gettext("code")

    @admin.display(description=gettext_lazy("in a browser of before"), boolean=True)
    def is_known(self, row: AccessFailureLog) -> bool:
        return bool(row.user_agent.startswith(browsers.MARK))

    @admin.display(description=gettext_lazy("shut by it"), boolean=True)
    def is_shut(self, row: AccessFailureLog) -> bool:
        return bool(row.locked_out)
