"""`manage.py defaults`: what a new installation begins with."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from allocations.defaults import make_defaults


class Command(BaseCommand):
    help = "Store the default consent texts and programmes; running it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{make_defaults(timezone.now())} rows made.")
