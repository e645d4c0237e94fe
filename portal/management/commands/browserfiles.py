"""`manage.py browserfiles`: fetch what browsers need of others (Plotly, the typeface) into static/vendor/."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.web import typeface
from portal.web.browser_files import BrowserFilesError, fetch, read_lock, registry_address


class Command(BaseCommand):
    help = "Fetch the locked browser files from the package registry into static/vendor/; what is there is kept."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        static = settings.BASE_DIR / "static"
        try:
            for package in read_lock(static / "browser-files.lock.json"):
                started = time.monotonic()
                fetched = fetch(package, static / "vendor", registry_address())
                outcome = "already there"
                if fetched:
                    seconds = time.monotonic() - started
                    outcome = f"{fetched.files} files from {fetched.bytes / 1e6:.1f} MB in {seconds:.1f} s"
                self.stdout.write(f"{package.name} {package.version}: {outcome}")
            catalogue = settings.LOCALE_PATHS[0] / "ko" / "LC_MESSAGES" / "django.po"
            vendor = static / "vendor"
            typeface.make(vendor / "pretendard", catalogue.read_text(encoding="utf-8"), vendor / "typeface")
        except BrowserFilesError as error:
            raise CommandError(str(error)) from error
