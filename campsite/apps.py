from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy


class CampsiteConfig(AppConfig):
    """The project package as an app: only so that migrations have their time, and schedules and groups are synced
    after them.
    """

    name = "campsite"

    def ready(self) -> None:
        from django.apps import apps
        from django.contrib.auth.signals import user_logged_in

        from campsite import groups, schedules
        from campsite.login import sessions

        user_logged_in.connect(sessions.begun)
        apps.get_app_config("axes").verbose_name = gettext_lazy("Log-ins")
        post_migrate.connect(schedules.sync, sender=apps.get_app_config("django_q"))
        # The last app that has tables, of which the signal tells: by then every permission was made.
        last = [app for app in apps.get_app_configs() if app.models_module][-1]
        post_migrate.connect(groups.sync, sender=last)
        pre_migrate.connect(_take_time, sender=last)
        post_migrate.connect(_hurry_again, sender=last)


def _take_time(using: str, **_: Any) -> None:
    """An index of years of hours takes longer than any other statement may; and who owns the audit log's tables may
    rewrite them.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET campsite.audit_log = 'migrate'")


def _hurry_again(using: str, **_: Any) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("RESET statement_timeout; RESET campsite.audit_log")
