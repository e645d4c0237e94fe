"""What is wrong with an installation is said at start, with what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def browser_files(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if Path(settings.BASE_DIR, "static", "vendor").is_dir():
        return []
    return [
        Warning(
            "Charts and the page's font are missing: static/vendor is not there.",
            hint="Run `make install`, or `manage.py browserfiles`.",
            id="portal.W001",
        )
    ]


@register()
def korean_catalogue(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    compiled = Path(settings.LOCALE_PATHS[0], "ko", "LC_MESSAGES", "django.mo")
    if compiled.exists():
        return []
    return [
        Warning(
            "Pages will be English only: the Korean catalogue is not compiled.",
            hint="Run `make install`, or `manage.py catalogue --compile`.",
            id="portal.W002",
        )
    ]


@register(deploy=True)
def mail(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        return []
    return [
        Error(
            "Mails are written to files, nobody receives them.",
            hint="Set EMAIL_URL, for example smtp+tls://user:password@mail.example.org:587.",
            id="portal.E001",
        )
    ]
