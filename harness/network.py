"""How this machine reaches the outside, as its own configuration says: apt's mirror, proxies, extra CAs, pip's index.

A build in a container knows nothing of the host; what it needs of this is handed to it openly and recorded.  Nothing
here names a mirror or an index: they are the host's.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_TARGET_FORMAT = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
_UNEXPANDED = re.compile(r"\$\(\w+\)")
_APT_SETTING = re.compile(
    r"(?P<name>Acquire::(?:Check-Valid-Until|Check-Date|Retries|ForceIPv[46]"
    r'|https?::(?:Proxy(?:::[^ ]+)?|Timeout|Pipeline-Depth|No-Cache))) "(?P<value>.+)";'
)
"""Settings that decide whether a mirror answers; all others are the image's own business."""
_PIP_SETTING = re.compile(r"(?:global|:env:|install)\.(?P<name>index-url|extra-index-url|trusted-host)='(?P<value>.*)'")
_ORIGINS = {"debian": "Debian", "ubuntu": "Ubuntu"}
"""Distribution to the Origin of its Release files."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")
_CA_BUNDLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Target:
    """One package index that apt knows of."""

    uri: str
    suite: str
    component: str
    origin: str
    """Empty while the index has not been downloaded."""


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a build on this host is given of the host.

    None of it decides what a build contains: packages are signed, wheels and sources are checked by hash.  It decides
    only whether they can be fetched, so it belongs into a build's facts and not into its recipe.
    """

    distribution: str
    apt_mirror: str | None
    apt_settings: Mapping[str, str]
    pip_settings: Mapping[str, str]
    proxies: Mapping[str, str]
    ca_bundle: bytes

    def record(self) -> dict[str, str]:
        """Name to value for `BuildFacts.ingredients`; long values as sha256, passwords never."""
        found = {f"apt {name}": value for name, value in self.apt_settings.items()}
        found |= {f"pip {name}": value for name, value in self.pip_settings.items()}
        found |= self.proxies
        if self.apt_mirror:
            found["apt mirror"] = self.apt_mirror
        if self.ca_bundle:
            found["CA bundle"] = f"sha256:{hashlib.sha256(self.ca_bundle).hexdigest()}"
        return {name: _without_password(value) for name, value in sorted(found.items())}

    def apt_conf(self, ca_bundle: str) -> str:
        """A file for /etc/apt/apt.conf.d, where the CA bundle lies at the path `ca_bundle`."""
        settings = dict(self.apt_settings)
        if self.ca_bundle:
            settings["Acquire::https::CAInfo"] = ca_bundle
        return "".join(f'{name} "{value}";\n' for name, value in settings.items())

    def sources_list(self, suite: str) -> str:
        """/etc/apt/sources.list for a suite on the host's mirror; empty, for the image's own, where it has none."""
        keyring = f"/usr/share/keyrings/{self.distribution}-archive-keyring.gpg"
        return f"deb [signed-by={keyring}] {self.apt_mirror} {suite} main\n" if self.apt_mirror else ""

    def suppliers(self, *, apt: bool) -> dict[str, str]:
        """Where a build's packages come from, as far as the host names it: what it is called, and its URL.

        `apt` says whether it takes packages of the distribution, too.  How to reach a mirror through a proxy that only
        apt knows is apt's own business: nobody else can ask it.
        """
        found = {}
        if apt and self.apt_mirror and not any("Proxy" in name for name in self.apt_settings):
            found[f"this host's {self.distribution.capitalize()} mirror"] = self.apt_mirror
        if index := self.pip_settings.get("index-url"):
            found["the index of this host's pip"] = index
        return found

    def pip_conf(self) -> str:
        """A file for PIP_CONFIG_FILE."""
        lines = [f"{name} = {value}\n" for name, value in self.pip_settings.items()]
        return "".join(["[global]\n", *lines]) if lines else ""


def ingredients(distribution: str) -> Ingredients:
    """What this host gives to a build whose base is of `distribution`."""
    return Ingredients(
        distribution=distribution,
        apt_mirror=apt_mirror(distribution),
        apt_settings=read_apt_settings(_ask("apt-config", "dump")),
        pip_settings=read_pip_settings(_ask(sys.executable, "-m", "pip", "config", "list")),
        proxies={name: os.environ[name] for name in _PROXIES if os.environ.get(name)},
        ca_bundle=_ca_bundle(os.environ),
    )


def apt_stamp(folder: Path = Path("/etc/apt")) -> str:
    """Changes whenever apt's list of sources does; reading the list itself takes apt half a second."""
    files = [folder / "sources.list", folder / "sources.list.d", *sorted(folder.glob("sources.list.d/*"))]
    return " ".join(str(path.stat().st_mtime_ns) for path in files if path.exists())


@functools.cache
def apt_mirror(distribution: str) -> str | None:
    """Base URL of this host's own mirror of `distribution` (debian, ubuntu), ending in "/"; None where it has none."""
    release = os_release()
    if release.get("ID") != distribution:
        return None
    suite = release.get("VERSION_CODENAME", "")
    # Without --no-release-info apt leaves out what was never downloaded, with it the origins.
    for options in ((), ("--no-release-info",)):
        targets = read_targets(_ask("apt-get", "indextargets", *options, "--format", _TARGET_FORMAT))
        if uri := choose_mirror(targets, _ORIGINS[distribution], suite):
            return _http(uri)
    return None


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """os-release(5), name to value; empty where there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name: value.strip("\"'") for name, equals, value in pairs if equals}


def read_targets(text: str) -> tuple[Target, ...]:
    """Package indexes from the output of `apt-get indextargets`."""
    rows = (_UNEXPANDED.sub("", line).split("|") for line in text.splitlines())
    return tuple(Target(*cells) for kind, *cells in rows if kind == "Packages" and len(cells) == 4)


def choose_mirror(targets: Iterable[Target], origin: str, suite: str) -> str | None:
    """The distribution's archive among everything that a host subscribes to; None where it is not there.

    Other vendors publish under the distribution's suite names too: what says the right origin comes first, and an index
    that was never downloaded cannot say.
    """
    fitting = [t for t in targets if t.suite == suite and t.component == "main" and t.origin in ("", origin)]
    fitting.sort(key=lambda target: target.origin != origin)
    return fitting[0].uri if fitting else None


def read_apt_settings(dump: str) -> dict[str, str]:
    """The settings that decide whether a mirror answers, from the output of `apt-config dump`."""
    matches = (_APT_SETTING.fullmatch(line) for line in dump.splitlines())
    return {match["name"]: match["value"] for match in matches if match}


def read_pip_settings(listing: str) -> dict[str, str]:
    """Where pip looks for packages if not at its default, from the output of `pip config list`.

    Folders of this host are left out: a build in a container does not see them.
    """
    matches = (_PIP_SETTING.fullmatch(line) for line in listing.splitlines())
    found = {match["name"]: match["value"].replace("\\n", " ") for match in matches if match}
    local = {name for name, value in found.items() if name.endswith("url") and "http" not in value}
    return {name: value for name, value in found.items() if name not in local}


def _ca_bundle(environ: Mapping[str, str]) -> bytes:
    """The bundle that the host tells its own programs to trust; empty where it does not."""
    for name in _CA_BUNDLES:
        if (path := environ.get(name)) and Path(path).is_file():
            return Path(path).read_bytes()
    return b""


def _without_password(value: str) -> str:
    parts = urlsplit(value)
    return value.replace(f":{parts.password}@", ":***@") if parts.password else value


def _http(uri: str) -> str | None:
    """An http(s) address: cloud images name a file that lists mirrors (mirror+file:), of which the first is taken."""
    if uri.startswith("mirror+file:"):
        try:
            listed = Path("/" + uri.partition(":")[2].strip("/")).read_text(encoding="utf-8").split()
        except OSError:
            return None
        uri = next((word for word in listed if word.startswith("http")), "")
    return uri.rstrip("/") + "/" if uri.startswith(("http://", "https://")) else None


def _ask(*command: str) -> str:
    """Standard output; empty where there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout
