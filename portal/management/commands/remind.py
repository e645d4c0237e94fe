"""manage.py remind: tells people of deadlines now. The worker does the same by itself, every ten minutes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from allocations.services.reminders import remind


class Command(BaseCommand):
    help = "Tell people what is due or late, each once, and let offers lapse whose time is over."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{remind(timezone.now())} told.")
