"""`manage.py packstatic`: name static files by their content and compress them, for the next start of the portal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal.web.storage import pack


class Command(BaseCommand):
    help = "Pack static files into staticfiles/ (named by content, compressed); nothing where nothing has changed."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("packed" if pack() else "already packed")
