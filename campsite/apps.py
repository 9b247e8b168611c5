from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CampsiteConfig(AppConfig):
    """The project package as an app: only so that schedules are synced after migrations."""

    name = "campsite"

    def ready(self) -> None:
        from django.apps import apps

        from campsite import schedules

        post_migrate.connect(schedules.sync, sender=apps.get_app_config("django_q"))
