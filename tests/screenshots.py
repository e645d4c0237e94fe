"""Pictures of every page, in both languages and at two widths, into var/screenshots: `make screenshots`. With
`--gallery`, small ones of all of them and docs/gallery.md that shows them: `make gallery`.

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
from portal.demo.texts import PASSWORD
from tests import gallery
from tests.rig import Rig, browser, log_in
from tests.tour import TOUR

WIDTHS = (1280, 390)
LANGUAGES = ("ko", "en")
DOCS = Path(__file__).resolve().parent.parent / "docs"


def visit(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def name_of(address: str) -> str:
    return re.sub(r"\W+", "-", address.strip("/")) or "home"


@contextmanager
def at_a_browser(browser: Browser, address: str, email: str, width: int, scheme: str = "light") -> Iterator[Page]:
    """Somebody's browser, signed in ("" is a visitor)."""
    context = browser.new_context(base_url=address, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    if email:
        log_in(page, email, PASSWORD)
    yield page
    context.close()


def speak(page: Page, language: str, address: str) -> None:
    page.context.add_cookies([{"name": "django_language", "value": language, "url": address}])


def tour(browser: Browser, address: str, folder: Path, only: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for email, pages in TOUR.items():
        who = email.partition("@")[0] or "visitor"
        if only and only not in {who, "all"}:
            continue
        for width in WIDTHS:
            with at_a_browser(browser, address, email, width) as page:
                for language in LANGUAGES:
                    speak(page, language, address)
                    for path in pages:
                        visit(page, path)
                        picture = folder / f"{name_of(path)}--{who}--{language}-{width}.png"
                        page.screenshot(path=picture, full_page=True)


def hang(browser: Browser, address: str, docs: Path) -> None:
    """The gallery: each page once, by whoever of the tour comes to it first."""
    walls = gallery.walls()
    pictures = gallery.Pictures(docs / "gallery")
    for wall in walls:
        for language, width, scheme in gallery.VIEWS:
            pages = [path for path in wall.pages if scheme == "light" or path in gallery.IN_THE_DARK]
            if not pages:
                continue
            with at_a_browser(browser, address, wall.email, width, scheme) as page:
                speak(page, language, address)
                for path in pages:
                    visit(page, path)
                    pictures.take(page, f"{name_of(path)}--{wall.who}--{language}-{width}-{scheme}")
    (docs / "gallery.md").write_text(gallery.page(walls, pictures, name_of), encoding="utf-8")
    print(f"docs/gallery.md with {len(pictures.taken)} pictures, {pictures.bytes / 1e6:.1f} MB")


@contextmanager
def portal(address: str) -> Iterator[str]:
    if address:
        yield address
        return
    rig = Rig("shots")
    try:
        yield rig.start(past=True).address
    finally:
        rig.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="")
    parser.add_argument("--only", default="", help="one person's pages")
    parser.add_argument("--folder", type=Path, default=Path("var/screenshots"))
    parser.add_argument("--gallery", action="store_true", help="small pictures of every page into docs/gallery")
    parser.add_argument("--docs", type=Path, default=DOCS)
    options = parser.parse_args()
    with portal(options.address) as address, browser() as chromium:
        if options.gallery:
            hang(chromium, address, options.docs)
        else:
            tour(chromium, address, options.folder, options.only)


if __name__ == "__main__":
    main()
