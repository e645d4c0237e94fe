"""Static files as browsers get them: named by their content, so kept for good; compressed once, not per request."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands.collectstatic import Command as CollectStatic
from django.core.management import call_command
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

from portal.web import packed

# What no page uses of htmx, some of which names modules that are not there; what fonts are made from.
LEFT_OUT = ["ext", "htm*-4*", "*.gz", "*.woff", "*.lock.json", ".*"]


class PackingCompressor(Compressor):
    """Compresses each content once: a name that holds its hash never means anything else."""

    def compress(self, path: str) -> list[str]:
        return [] if Path(f"{path}.br").exists() else super().compress(path)


class PackedStorage(CompressedManifestStaticFilesStorage):
    """`css/base.css` is served as `css/base.<hash>.css`; addresses in stylesheets and modules follow."""

    support_js_module_import_aggregation = True

    def create_compressor(self, **options: Any) -> Compressor:
        return PackingCompressor(**options)


def pack() -> bool:
    """Bring STATIC_ROOT up to date with static/; False where it is already. One process at a time does it.

    The names of earlier contents stay there: pages that are open in a browser may still ask for them.
    """
    sources, root = settings.BASE_DIR / "static", Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if packed.is_current(sources, root):
            return False
        stamp = packed.stamp_of(sources)
        command = CollectStatic()
        command.storage = PackedStorage()
        call_command(command, interactive=False, verbosity=0, ignore_patterns=LEFT_OUT)
        (root / packed.STAMP).write_text(stamp)
    return True
