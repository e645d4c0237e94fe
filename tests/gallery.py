"""docs/gallery.md: small pictures of every page, by who looks at it. `tests/screenshots.py --gallery` takes them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.tour import TOUR

# Language, width and scheme of each picture of a page; the dark ones of a few pages only.
VIEWS = (("ko", 1280, "light"), ("en", 1280, "light"), ("ko", 390, "light"), ("en", 390, "light"), ("ko", 1280, "dark"))
IN_THE_DARK = {"/projects/p26001/", "/center/", "/calls/1/", "/components/"}
# Long pages are cut: a gallery shows what a page looks like, not all that it says.
TALLEST = {1280: 1600, 390: 1400}
SMALL = {1280: 480, 390: 180}
QUALITY = 0.6
LISTED = {
    "": "Visitor",
    "seoyeon": "Principal investigator",
    "minjun": "Principal investigator with an offer",
    "jiho": "Applicant from a firm",
    "woojin": "Applicant who was asked for corrections",
    "yuna": "Reviewer",
    "dohyun": "Another reviewer",
    "tech": "Technical reviewer",
    "decider": "Decider",
    "operator": "Operator",
    "observer": "Observer for the city",
}
# Scaled and encoded by the browser that took the picture: WebP, a tenth of the PNG.
REDUCE = """async ([png, width, quality]) => {
    const whole = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = Math.round(whole.height * width / whole.width);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(whole, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/webp", quality).split(",")[1];
}"""


@dataclass(frozen=True)
class Wall:
    """What one person's pages hang on."""

    email: str
    pages: list[str]

    @property
    def who(self) -> str:
        return self.email.partition("@")[0] or "visitor"

    @property
    def heading(self) -> str:
        return LISTED[self.email.partition("@")[0]]


def walls() -> list[Wall]:
    """Every page of the tour once, the home page for everybody."""
    hung: set[str] = set()
    found = []
    for email, pages in TOUR.items():
        own = [path for path in pages if path == "/" or path not in hung]
        hung.update(own)
        found.append(Wall(email, own))
    return found


class Pictures:
    """The folder of the pictures; those of pages that are no more are taken away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: set[str] = set()
        self.bytes = 0
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.webp"):
            old.unlink()

    def take(self, page: Page, name: str) -> None:
        width = page.viewport_size["width"] if page.viewport_size else 1280
        height = min(int(page.evaluate("document.documentElement.scrollHeight")), TALLEST[width])
        whole = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
        easel = page.context.new_page()
        small = easel.evaluate(REDUCE, [base64.b64encode(whole).decode(), SMALL[width], QUALITY])
        easel.close()
        content = base64.b64decode(small)
        (self.folder / f"{name}.webp").write_bytes(content)
        self.taken.add(name)
        self.bytes += len(content)


def page(walls: list[Wall], pictures: Pictures, name_of: Callable[[str], str]) -> str:
    """The text of docs/gallery.md."""
    lines = [
        "# Gallery",
        "",
        "Every page of the portal with demo data, by who looks at it: Korean and English, on a desk and on a phone,",
        "some in the dark scheme. Made by `make gallery`.",
        "",
    ]
    for wall in walls:
        lines += [f"## {wall.heading}", ""]
        for path in wall.pages:
            lines += [f"### `{path}`", ""]
            names = [f"{name_of(path)}--{wall.who}--{lang}-{width}-{scheme}" for lang, width, scheme in VIEWS]
            shown = [name for name in names if name in pictures.taken]
            lines += [*(f"![{path}](gallery/{name}.webp)" for name in shown), ""]
    return "\n".join(lines)
