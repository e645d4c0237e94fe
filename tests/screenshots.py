"""Pictures of every page, in both languages and at two widths, into var/screenshots: `make screenshots`.

Run against a portal of its own; `--address` takes a running demo instead.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

import tests.ready  # noqa: F401  (before what imports models)
from portal.demo.history import write_demo_history
from portal.demo.texts import PASSWORD
from tests.rig import Rig, browser, log_in
from tests.tour import TOUR

WIDTHS = (1280, 390)
LANGUAGES = ("ko", "en")


def shoot(page: Page, address: str, folder: Path, who: str, language: str, width: int) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    name = re.sub(r"\W+", "-", address.strip("/")) or "home"
    page.screenshot(path=folder / f"{name}--{who or 'visitor'}--{language}-{width}.png", full_page=True)


def tour(browser: Browser, address: str, folder: Path, only: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for email, pages in TOUR.items():
        who = email.partition("@")[0]
        if only and only not in {who, "all"}:
            continue
        for width in WIDTHS:
            context = browser.new_context(base_url=address, viewport={"width": width, "height": 900})
            page = context.new_page()
            if email:
                log_in(page, email, PASSWORD)
            for language in LANGUAGES:
                context.add_cookies([{"name": "django_language", "value": language, "url": address}])
                for path in pages:
                    shoot(page, path, folder, who, language, width)
            context.close()


@contextmanager
def portal(address: str) -> Iterator[str]:
    if address:
        yield address
        return
    rig = Rig("shots").start(worker=False)
    try:
        from django.utils import timezone

        write_demo_history(rig.stack, timezone.now())
        rig.stack.manage_inside("worker", "--once")
        rig.stack.start_worker()
        yield rig.address
    finally:
        rig.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="")
    parser.add_argument("--only", default="", help="one person's pages")
    parser.add_argument("--folder", type=Path, default=Path("var/screenshots"))
    options = parser.parse_args()
    with portal(options.address) as address, browser() as chromium:
        tour(chromium, address, options.folder, options.only)


if __name__ == "__main__":
    main()
