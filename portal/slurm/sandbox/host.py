"""What the sandbox takes from the machine it runs on: what it can do, its Debian mirror, its pip settings."""

import configparser
import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from portal.slurm.sandbox.errors import SandboxError

TOOLS = ("unshare", "nsenter", "setpriv", "mount", "umount", "pivot_root", "chroot")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CERTIFICATES = Path("/etc/ssl/certs")
PIP_VARIABLES = tuple(
    f"PIP_{name}"
    for name in (
        "INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "FIND_LINKS", "TRUSTED_HOST", "CERT", "CLIENT_CERT",
        "PROXY", "DEFAULT_TIMEOUT", "RETRIES", "CONFIG_FILE",
    )
)  # fmt: skip
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

TRY_NAMESPACES = """
mount --make-rprivate / && mount -t tmpfs tmpfs "$0" && cd "$0" && mkdir lower upper work root &&
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root
"""


def gettext_noop(message: str) -> str:
    """Marks a sentence for the translation catalogue; this package itself knows no Django."""
    return message


@functools.cache
def unavailable_reason() -> str | None:
    """Why no sandbox can run on this machine, as one sentence of the translation catalogue; None where it can."""
    if sys.platform != "linux":
        return gettext_noop("The Slurm sandbox needs Linux.")
    if os.geteuid() != 0:
        return gettext_noop("The Slurm sandbox needs to be run as root.")
    if platform.machine() != "x86_64":
        return gettext_noop("The Slurm sandbox needs a 64-bit Intel or AMD processor.")
    if any(shutil.which(tool, path=PATH) is None for tool in TOOLS):
        return gettext_noop("The Slurm sandbox needs the commands of util-linux (unshare, nsenter, setpriv).")
    if shutil.which("debootstrap", path=PATH) is None and shutil.which("apt-get", path=PATH) is None:
        return gettext_noop("The Slurm sandbox needs Debian or a system derived from it.")
    if not _namespaces_work():
        return gettext_noop(
            "The Slurm sandbox needs a machine on which root may make namespaces and overlay mounts; "
            "an ordinary container does not allow that."
        )
    return None


def _namespaces_work() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        argv = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child"]
        tried = subprocess.run([*argv, "sh", "-c", TRY_NAMESPACES, folder], capture_output=True, check=False)
    return tried.returncode == 0


def file_system(folder: Path) -> str:
    """The type of the file system a folder lies on, for example ext4; the folder need not exist yet."""
    place = folder.absolute()
    found = ("", "")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split()[4].encode().decode("unicode_escape")
        if place.is_relative_to(mount) and len(mount) >= len(found[0]):
            found = (mount, after.split()[0])
    return found[1]


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where built layers are kept: PORTAL_CACHE, else the system's cache for root, else the user's."""
    if chosen := environment.get("PORTAL_CACHE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/cache/pohang-portal")
    return Path.home() / ".cache/pohang-portal"


def install_builder() -> None:
    """Installs debootstrap and Debian's keys where they are missing."""
    if shutil.which("debootstrap", path=PATH) is None or not KEYRING.exists():
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", "debootstrap", "debian-archive-keyring")


def renew_keyring() -> None:
    """Brings the keys of Debian's archive up to date, verified by this machine's own apt."""
    _apt_get("update")
    _apt_get("install", "--yes", "--only-upgrade", "debian-archive-keyring")


def _apt_get(*arguments: str) -> None:
    argv = ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(f"{' '.join(argv)} failed: {done.stderr.strip()[-2000:]}")


def debian_mirror(etc: Path = Path("/etc")) -> str | None:
    """The archive this machine's own apt takes Debian from; None where it names none (debootstrap's default then).

    An entry of the machine's own release with the component main; one whose address says "debian" is preferred
    to one that might be somebody's packages for Debian.
    """
    about = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', _read(etc / "os-release"), re.MULTILINE))
    if about.get("ID") != "debian":
        return None
    entries = [*_one_line_entries(etc), *_deb822_entries(etc)]
    found = [
        uri
        for uri, suites, components in entries
        if about.get("VERSION_CODENAME") in suites
        and "main" in components
        and urlsplit(uri).scheme in ("http", "https", "file")
    ]
    found.sort(key=lambda uri: "debian" not in urlsplit(uri).path.split("/"))
    return found[0] if found else None


AptEntry = tuple[str, list[str], list[str]]
"""Address, suites, components."""


def _one_line_entries(etc: Path) -> Iterator[AptEntry]:
    for file in [etc / "apt/sources.list", *sorted((etc / "apt/sources.list.d").glob("*.list"))]:
        for line in _read(file).splitlines():
            words = re.sub(r"\[[^]]*\]", "", line.split("#")[0]).split()
            if len(words) >= 4 and words[0] == "deb":
                yield words[1], [words[2]], words[3:]


def _deb822_entries(etc: Path) -> Iterator[AptEntry]:
    for file in sorted((etc / "apt/sources.list.d").glob("*.sources")):
        text = re.sub(r"^#.*\n", "", _read(file), flags=re.MULTILINE)
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                name.lower(): value.split()
                for name, value in re.findall(r"^(\S+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
            }
            if "deb" in fields.get("types", []) and fields.get("enabled") != ["no"]:
                for uri in fields.get("uris", []):
                    yield uri, fields.get("suites", []), fields.get("components", [])


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def apt_proxy() -> dict[str, str]:
    """The proxy apt uses, as variables for debootstrap, which downloads with wget."""
    names = {"http_proxy": "Acquire::http::Proxy", "https_proxy": "Acquire::https::Proxy"}
    proxies = {}
    for variable, option in names.items():
        asked = subprocess.run(["apt-config", "shell", "it", option], capture_output=True, text=True, check=False)
        if match := re.fullmatch(r"it='(\S+)'", asked.stdout.strip()):
            proxies[variable] = match[1]
    return proxies


def network_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of this machine that say how pip reaches its packages."""
    names = (*PIP_VARIABLES, *PROXY_VARIABLES, *CERTIFICATE_VARIABLES, "HOME", "XDG_CONFIG_HOME")
    return {name: environment[name] for name in names if name in environment}


def pip_places(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Files and folders of this machine that pip needs: its settings, certificates and local packages."""
    home = Path(environment.get("HOME", "/root"))
    settings = [
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        Path(environment.get("XDG_CONFIG_HOME", home / ".config")) / "pip/pip.conf",
        Path(environment.get("PIP_CONFIG_FILE", "/etc/pip.conf")),
    ]
    values = [environment.get(name, "") for name in (*PIP_VARIABLES, *CERTIFICATE_VARIABLES)]
    for file in settings:
        values += _settings_values(file)
    named = [Path(urlsplit(word).path) for word in " ".join(values).split() if word.startswith(("/", "file:///"))]
    # An index in a folder (…/simple) links to files beside it.
    named = [place.parent if place.name == "simple" else place for place in named]
    places = [place for place in (CERTIFICATES, *settings, *named) if place.exists()]
    inside_certificates = [place for place in places if CERTIFICATES in place.parents]
    return [place for place in dict.fromkeys(places) if place not in inside_certificates]


def _settings_values(file: Path) -> list[str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_read(file))
    except configparser.Error as error:
        raise SandboxError(f"{file} is not a settings file of pip: {error}") from error
    return [value for section in parser.sections() for _, value in parser.items(section)]
