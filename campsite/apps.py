from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CampsiteConfig(AppConfig):
    """The project package as an app: only so that schedules and groups are synced after migrations."""

    name = "campsite"

    def ready(self) -> None:
        from django.apps import apps

        from campsite import groups, schedules

        post_migrate.connect(schedules.sync, sender=apps.get_app_config("django_q"))
        # The last app that has tables, of which the signal tells: by then every permission was made.
        last = [app for app in apps.get_app_configs() if app.models_module][-1]
        post_migrate.connect(groups.sync, sender=last)
