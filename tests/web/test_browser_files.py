"""Browser files come by their locked hash, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from portal.web.browser_files import (
    PUBLIC_REGISTRY,
    BrowserFilesError,
    LockedFile,
    LockedPackage,
    fetch,
    read_lock,
    registry_address,
)

CONTENTS = {
    "package/lib/chart.js": b"draw()",
    "package/lib/a.1.woff2": b"one",
    "package/lib/a.2.woff2": b"two",
    "package/style.css": b"src: url(a.woff2), url(a.woff);",
    "package/../../escape.js": b"out",
    "package/unlisted.js": b"no",
}
FILES = (
    LockedFile("lib/chart.js", "chart.js"),
    LockedFile("lib/a.*.woff2", "fonts/"),
    LockedFile("style.css", "style.css", cut=r", url\([^)]*\.woff\)"),
)


@pytest.fixture
def registry(tmp_path: Path) -> str:
    return (tmp_path / "registry").as_uri()


@pytest.fixture
def package(tmp_path: Path, registry: str) -> LockedPackage:
    """A package as the registry serves it, locked by its true hash."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in CONTENTS.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    path = tmp_path / "registry" / "@scope" / "charts" / "-" / "charts-1.0.0.tgz"
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue())
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(buffer.getvalue()).digest()).decode()
    return LockedPackage("@scope/charts", "1.0.0", integrity, "charts", FILES)


def taken(vendor: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(vendor)): path.read_bytes()
        for path in vendor.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_only_the_listed_files_are_taken_to_the_places_named(
    package: LockedPackage, registry: str, tmp_path: Path
) -> None:
    fetched = fetch(package, tmp_path / "vendor", registry)
    assert fetched
    assert fetched.files == 4
    assert taken(tmp_path / "vendor") == {
        "charts/chart.js": b"draw()",
        "charts/fonts/a.1.woff2": b"one",
        "charts/fonts/a.2.woff2": b"two",
        "charts/style.css": b"src: url(a.woff2);",
    }


def test_a_package_of_another_hash_is_refused_and_leaves_nothing(
    package: LockedPackage, registry: str, tmp_path: Path
) -> None:
    wrong = replace(package, integrity="sha512-" + base64.b64encode(bytes(64)).decode())
    with pytest.raises(BrowserFilesError, match="is not the locked package"):
        fetch(wrong, tmp_path / "vendor", registry)
    assert list((tmp_path / "vendor").iterdir()) == []


def test_a_refused_package_leaves_the_one_that_was_there(package: LockedPackage, registry: str, tmp_path: Path) -> None:
    fetch(package, tmp_path / "vendor", registry)
    before = taken(tmp_path / "vendor")
    with pytest.raises(BrowserFilesError):
        fetch(replace(package, integrity="sha512-AA=="), tmp_path / "vendor", registry)
    assert taken(tmp_path / "vendor") == before


def test_what_is_there_is_not_fetched_again(package: LockedPackage, registry: str, tmp_path: Path) -> None:
    fetch(package, tmp_path / "vendor", registry)
    assert fetch(package, tmp_path / "vendor", "https://registry.invalid/") is None


def test_a_changed_lock_replaces_what_was_there(package: LockedPackage, registry: str, tmp_path: Path) -> None:
    fetch(package, tmp_path / "vendor", registry)
    assert fetch(replace(package, files=FILES[:1]), tmp_path / "vendor", registry)
    assert set(taken(tmp_path / "vendor")) == {"charts/chart.js"}


def test_a_listed_file_that_the_package_lacks_is_named(package: LockedPackage, registry: str, tmp_path: Path) -> None:
    lacking = replace(package, files=(LockedFile("lib/gone.js", "gone.js"),))
    with pytest.raises(BrowserFilesError, match=r"lib/gone\.js"):
        fetch(lacking, tmp_path / "vendor", registry)


def test_an_unreachable_registry_is_said_with_what_to_do(package: LockedPackage, tmp_path: Path) -> None:
    with pytest.raises(BrowserFilesError, match="NPM_CONFIG_REGISTRY"):
        fetch(package, tmp_path / "vendor", "http://127.0.0.1:9/")


def test_only_addresses_of_registries_are_asked(package: LockedPackage, tmp_path: Path) -> None:
    with pytest.raises(BrowserFilesError, match="should begin with https"):
        fetch(package, tmp_path / "vendor", "ftp://registry.example/")


@pytest.mark.parametrize("name", ["NPM_CONFIG_REGISTRY", "npm_config_registry"])
def test_the_environment_may_name_another_registry(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.delenv(each, raising=False)
    assert registry_address() == PUBLIC_REGISTRY
    monkeypatch.setenv(name, "https://registry.example/")
    assert registry_address() == "https://registry.example/"


def test_the_committed_lock_names_hashes_and_no_machine() -> None:
    path = settings.BASE_DIR / "static" / "browser-files.lock.json"
    packages = read_lock(path)
    assert {package.name for package in packages} == {"plotly.js-basic-dist-min", "pretendard"}
    assert all(package.integrity.startswith("sha512-") and package.files for package in packages)
    assert "://" not in path.read_text()


def test_a_broken_lock_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    path.write_text('{"packages": [{"name": "charts"}]}')
    with pytest.raises(BrowserFilesError, match="is not a lock"):
        read_lock(path)
