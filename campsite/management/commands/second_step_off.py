"""`manage.py second_step_off NAME`: for whoever lost his telephone and has no manager who could help."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from campsite.login import factors, sessions


class Command(BaseCommand):
    help = "Take somebody's second step away and log him out everywhere; the next log-in asks for the password alone."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError("Nobody has this name.")
        if not factors.has_one(user):
            raise CommandError(f"{username} has no second step.")
        factors.take_away(user, None)
        sessions.end(user, None)
        self.stdout.write(f"{username} logs in with the password alone, until a telephone is enrolled.")
