"""What the sandbox reads from the machine, and what it refuses before it starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portal.slurm.sandbox import Bind, Node, Sandbox, SandboxError, host
from portal.slurm.sandbox.config import gres_conf, slurm_conf
from portal.slurm.sandbox.processes import Process

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n'


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text(DEBIAN)
    return tmp_path


def test_the_mirror_is_read_from_one_line_sources(etc: Path) -> None:
    (etc / "apt/sources.list").write_text(
        "# deb http://commented.example/debian bookworm main\n"
        "deb http://security.example/debian-security bookworm-security main\n"
        "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian bookworm main contrib # ours\n"
    )
    assert host.debian_mirror(etc) == "https://mirror.example/debian"


def test_the_mirror_is_read_from_deb822_sources(etc: Path) -> None:
    (etc / "apt/sources.list.d/debian.sources").write_text(
        "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\n"
        "Components: main\nSigned-By: /k.gpg\n\n"
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n"
    )
    assert host.debian_mirror(etc) == "http://mirror.example/debian"


def test_other_peoples_packages_for_debian_are_not_taken_for_debian(etc: Path) -> None:
    (etc / "apt/sources.list.d/a.list").write_text("deb http://vendor.example/apt bookworm main\n")
    (etc / "apt/sources.list.d/b.list").write_text("deb http://docker.example/linux/debian bookworm stable\n")
    (etc / "apt/sources.list.d/c.list").write_text("deb http://mirror.example/debian bookworm main\n")
    assert host.debian_mirror(etc) == "http://mirror.example/debian"


def test_disabled_sources_and_other_systems_name_no_mirror(etc: Path) -> None:
    (etc / "apt/sources.list.d/debian.sources").write_text(
        "Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"
    )
    assert host.debian_mirror(etc) is None
    (etc / "apt/sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    assert host.debian_mirror(etc) == "http://mirror.example/debian"
    (etc / "os-release").write_text("ID=ubuntu\nVERSION_CODENAME=bookworm\n")
    assert host.debian_mirror(etc) is None


def test_pip_gets_the_settings_and_local_packages_it_is_told_of(tmp_path: Path) -> None:
    for folder in ("wheels", "index/simple", "home/.config/pip"):
        (tmp_path / folder).mkdir(parents=True)
    settings = tmp_path / "home/.config/pip/pip.conf"
    settings.write_text(
        f"[global]\nfind-links = {tmp_path}/wheels {tmp_path}/missing\n"
        f"extra-index-url = file://{tmp_path}/index/simple\n    https://index.example/simple\n"
    )
    places = host.pip_places({"HOME": str(tmp_path / "home")})
    assert {settings, tmp_path / "wheels", tmp_path / "index"} <= set(places)
    assert tmp_path / "missing" not in places


def test_only_what_pip_and_the_network_need_goes_into_a_build() -> None:
    environment = {"PIP_INDEX_URL": "https://i", "https_proxy": "http://p", "HOME": "/root", "SECRET_KEY": "s"}
    assert host.network_environment(environment) == {
        "PIP_INDEX_URL": "https://i",
        "https_proxy": "http://p",
        "HOME": "/root",
    }


def test_the_cache_is_where_it_is_said_to_be() -> None:
    assert host.cache_folder({"PORTAL_CACHE": "/somewhere"}) == Path("/somewhere")
    expected = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    assert host.cache_folder({}) == expected / "pohang-portal"


@pytest.mark.parametrize(
    ("platform", "user", "machine", "reason"),
    [
        ("darwin", 0, "x86_64", "The Slurm sandbox needs Linux."),
        ("linux", 1000, "x86_64", "The Slurm sandbox needs to be run as root."),
        ("linux", 0, "aarch64", "The Slurm sandbox needs a 64-bit Intel or AMD processor."),
    ],
)
def test_where_no_sandbox_can_run_one_sentence_says_why(
    monkeypatch: pytest.MonkeyPatch, platform: str, user: int, machine: str, reason: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("platform.machine", lambda: machine)
    host.unavailable_reason.cache_clear()
    try:
        assert Sandbox.unavailable_reason() == reason
        assert Sandbox("none").status().state == "unavailable"
        with pytest.raises(SandboxError, match=reason):
            Sandbox("none").up()
    finally:
        host.unavailable_reason.cache_clear()


def test_where_namespaces_are_not_allowed_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(host, "_namespaces_work", lambda: False)
    host.unavailable_reason.cache_clear()
    try:
        assert "may make namespaces" in str(host.unavailable_reason())
    finally:
        host.unavailable_reason.cache_clear()


def test_nodes_and_binds_are_read_from_the_command_line() -> None:
    assert Node.parse("h2=h100:8") == Node("h2", "h100", 8)
    assert Bind.parse("/a:/b") == Bind(Path("/a"), "/b")
    assert Bind.parse("/a:/b:rw") == Bind(Path("/a"), "/b", read_only=False)
    for text in ("h2", "h2=h100", "h2=h100:0", "H2=h100:1"):
        with pytest.raises(SandboxError, match="is no node"):
            Node.parse(text)
    for text in ("/a", "/a:b", "/a:/b:x"):
        with pytest.raises(SandboxError, match="is no bind"):
            Bind.parse(text)


@pytest.mark.parametrize("name", ["", "..", "a/b", "Demo", "-x"])
def test_names_that_could_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(SandboxError, match="is no name for a sandbox"):
        Sandbox(name)


def test_paths_that_an_overlay_cannot_take_are_refused() -> None:
    with pytest.raises(SandboxError, match="no comma, colon or backslash"):
        Sandbox("demo", state=Path("/srv/a:b"))
    with pytest.raises(SandboxError, match="is not a known release"):
        Sandbox("demo", release="woody")


def test_each_kind_of_gpu_has_a_partition_that_takes_its_own_qos_only() -> None:
    nodes = (Node("h1", "h100"), Node("a1", "a100", 1), Node("h2", "h100", 8))
    text = slurm_conf(nodes)
    assert "PartitionName=h100 Nodes=h1,h2 AllowQos=h100 Default=YES" in text
    assert "PartitionName=a100 Nodes=a1 AllowQos=a100 Default=NO" in text
    assert "AccountingStorageTRES=gres/gpu,gres/gpu:h100,gres/gpu:a100" in text
    assert "NodeName=a1 Name=gpu Type=a100 File=/dev/fakegpu0" in gres_conf(nodes)
    assert "NodeName=h2 Name=gpu Type=h100 File=/dev/fakegpu[0-7]" in gres_conf(nodes)


def test_a_process_is_not_taken_for_another_with_its_number(tmp_path: Path) -> None:
    record = tmp_path / "process"
    Process.current().record(record)
    assert Process.recorded(record) == Process.current()
    pid, started, boot = record.read_text().split()
    record.write_text(f"{pid} {int(started) - 1} {boot}\n")
    assert Process.recorded(record) is None
    record.write_text(f"{pid} {started} another-boot\n")
    assert Process.recorded(record) is None
    assert Process.recorded(tmp_path / "missing") is None
