"""Named points at which a worker under test kills itself, to show that the next tick heals whatever was left."""

from __future__ import annotations

import os
import signal

from django.conf import settings


def crash_point(name: str) -> None:
    """End this process as `kill -9` would, where the environment names this point (never in production: settings)."""
    if name == settings.CRASH_POINT:
        os.kill(os.getpid(), signal.SIGKILL)
