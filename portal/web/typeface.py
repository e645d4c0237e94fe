"""The typeface as pages need it: one small file per weight with what most pages are written in, the rest on demand.

Pretendard comes in 92 slices per weight, ordered by how common their characters are; a page of Korean takes about ten
of them in each weight. The characters of the commonest slices, and those of the portal's own sentences, are put into
one file instead, which is half of what those slices weigh. It has a name of its own, as the licence asks of what was
changed; other characters are taken from Pretendard's slices.
"""

from __future__ import annotations

import hashlib
import logging
import re
from io import BytesIO
from pathlib import Path

FAMILY = "Portal Sans"
WEIGHTS = {"Regular": 400, "Bold": 700}
COMMONEST_SLICE = 83  # and those above it
# Latin beyond those slices, and the signs that the portal's sentences and tables use.
BESIDES = [*range(0x20, 0x7F), *map(ord, "·×–—‘’“”…←↑→↓−「」『』✓")]
# Digits of one width, so that columns of numbers align.
FEATURES = ["kern", "tnum"]
SLICE = re.compile(r"subset\.(\d+)\.woff2\).*?unicode-range: ([^;]+);", re.DOTALL)
# Copyright, family, style, full name, PostScript name, licence and its address.
NAMES_KEPT = [0, 1, 2, 4, 6, 13, 14]
STAMP = ".made-of"
FACE = """@font-face {{
  font-family: "{family}";
  font-weight: {weight};
  font-display: swap;
  src: url({file}) format("woff2");
}}
"""


def make(pretendard: Path, sentences: str, target: Path) -> bool:
    """Write typeface.css and its two font files into `target`; False where they are of this Pretendard and characters.

    `sentences` is any text whose characters are to be in the files, too.
    """
    own = set(map(ord, sentences))
    source = [(pretendard / ".locked").read_text(), Path(__file__).read_text(encoding="utf-8"), repr(sorted(own))]
    made_of = hashlib.sha256("\n".join(source).encode()).hexdigest()
    stamp = target / STAMP
    if stamp.exists() and stamp.read_text() == made_of:
        return False
    target.mkdir(parents=True, exist_ok=True)
    styles = []
    for name, weight in WEIGHTS.items():
        slices = (pretendard / f"Pretendard-{name}.css").read_text(encoding="utf-8")
        font = (pretendard / "woff-subset" / f"Pretendard-{name}.subset.woff").read_bytes()
        (target / f"{name}.woff2").write_bytes(common_part(font, name, common_characters(slices) | own))
        styles += [FACE.format(family=FAMILY, weight=weight, file=f"{name}.woff2")]
        styles += [slices.replace("url(./", f"url(../{pretendard.name}/")]
    (target / "typeface.css").write_text("".join(styles), encoding="utf-8")
    stamp.write_text(made_of)
    return True


def common_characters(slices: str) -> set[int]:
    """The code points of the commonest slices, as their stylesheet names them."""
    found = set(BESIDES)
    for number, ranges in SLICE.findall(slices):
        if int(number) >= COMMONEST_SLICE:
            for first, last in re.findall(r"U\+([0-9a-f]+)(?:-([0-9a-f]+))?", ranges, re.IGNORECASE):
                found.update(range(int(first, 16), int(last or first, 16) + 1))
    return found


def common_part(font: bytes, weight: str, characters: set[int]) -> bytes:
    """The font with these characters only, as WOFF2, under a name of its own and with its copyright and licence."""
    # Only set-up needs it, and it takes a moment to import.
    from fontTools import subset
    from fontTools.ttLib import TTFont

    opened = TTFont(BytesIO(font))
    for table in opened["cmap"].tables:
        table.cmap.setdefault(0xA0, table.cmap.get(0x20))  # a space that does not break looks like any other
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    options = subset.Options(layout_features=FEATURES, hinting=False, name_IDs=NAMES_KEPT, notdef_outline=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(opened)
    for record in opened["name"].names:
        own = {1: FAMILY, 2: weight, 4: f"{FAMILY} {weight}", 6: f"{FAMILY.replace(' ', '')}-{weight}"}
        if record.nameID in own:
            record.string = own[record.nameID]
    opened.flavor = "woff2"
    packed = BytesIO()
    opened.save(packed)
    return packed.getvalue()
