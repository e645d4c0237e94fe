"""Static files: packed ones are served only while they are those of the sources; the typeface is one small file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from portal.web import packed, typeface

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"


def test_a_changed_added_or_removed_source_makes_the_packed_files_old(tmp_path: Path) -> None:
    sources, root = tmp_path / "static", tmp_path / "packed"
    (sources / "css").mkdir(parents=True)
    root.mkdir()
    style = sources / "css" / "base.css"
    style.write_text("a{}")
    assert not packed.is_current(sources, root)
    (root / packed.STAMP).write_text(packed.stamp_of(sources))
    assert packed.is_current(sources, root)
    (sources / "css" / "new.css").write_text("")
    assert not packed.is_current(sources, root)
    (sources / "css" / "new.css").unlink()
    assert packed.is_current(sources, root)
    style.write_text("b{ }")
    assert not packed.is_current(sources, root)


@pytest.fixture(scope="module")
def slices() -> str:
    path = VENDOR / "pretendard" / "Pretendard-Regular.css"
    if not path.exists():
        pytest.skip("The browser files are not there (make install).")
    return path.read_text()


def test_the_portals_font_holds_what_most_pages_are_written_in_and_keeps_its_licence(slices: str) -> None:
    source = (VENDOR / "pretendard" / "woff-subset" / "Pretendard-Regular.subset.woff").read_bytes()
    made = typeface.common_part(source, "Regular", typeface.common_characters(slices) | set(map(ord, "쳤")))
    font = TTFont(BytesIO(made))
    assert {ord(sign) for sign in "배정 사용량 GPU-hours 1,234쳤"} | {0xA0} <= set(font.getBestCmap())
    assert "tnum" in {record.FeatureTag for record in font["GSUB"].table.FeatureList.FeatureRecord}
    names = {name.nameID: str(name) for name in font["name"].names}
    assert names[1] == typeface.FAMILY
    assert "Pretendard" not in names[4] + names[6]
    assert "Kil Hyung-jin" in names[0]
    assert len(made) < 70_000
