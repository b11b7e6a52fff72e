"""Certificates of a fleet: an authority of its own, and one certificate for each of its members, with names and an end.

A connection is made between two who hold a certificate of the same authority, and no others.  Three roles differ in
what theirs is good for: scheduler and hosts are called and call, a client only calls.  So a client's certificate cannot
be used to be a scheduler or a worker.  Nothing here knows Dask or how a fleet is planned.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.errors import RequestError

DAYS = 365
"""For as long certificates are good, unless it is said otherwise."""

SOON_DAYS = 30
"""Whoever uses a certificate that ends within as many days is told."""

_SLACK = datetime.timedelta(minutes=10)
"""Certificates begin a little before they are made: clocks of hosts differ."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+", re.ASCII)
_RENEW = "Make new ones: inv fleet init --folder DIR --hosts ... --renew."


class Role(StrEnum):
    """What a member of a fleet does."""

    SCHEDULER = "scheduler"
    CLIENT = "client"
    HOST = "host"


_LISTENS = {Role.SCHEDULER, Role.HOST}
"""Roles whose certificates are good for being called."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, each as PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Files:
    """What a member needs, in its folder."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    def write(self, authority: bytes, identity: Identity) -> None:
        """Make the folder; only its owner may read the key."""
        self.folder.mkdir(parents=True, mode=0o700)
        self.authority.write_bytes(authority)
        self.certificate.write_bytes(identity.certificate)
        with os.fdopen(os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(identity.key)


# -- issuing -----------------------------------------------------------------------------------------------------------


def host_name(text: str) -> str:
    """A DNS name or an IP address, fit for a certificate and for a folder.  RequestError for anything else."""
    if not _HOST.fullmatch(text) or ".." in text or len(text) > 64:
        raise RequestError(f'"{text}" is no name or address of a host', hint="Such as --hosts bench1,192.0.2.7.")
    return text


class Authority:
    """Issues certificates, and is then forgotten: its key is written nowhere, so nobody can make another one later.

    Args:
        days: for how long it and all that it issues are good, from `now`.
    """

    def __init__(self, days: int, now: datetime.datetime) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._begin, self._end = now - _SLACK, now + datetime.timedelta(days=days)
        self._name = _name(f"gilometer fleet, {now:%Y-%m-%d %H:%M:%S} UTC")
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_others=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, role: Role, names: Sequence[str]) -> Identity:
        """A new key and its certificate, with names (DNS names or IP addresses, at least one)."""
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if role in _LISTENS:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            self._builder(_name(names[0], role), key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_others=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Identity(certificate.public_bytes(serialization.Encoding.PEM), pem)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._begin)
            .not_valid_after(self._end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


def _name(common: str, role: Role | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if role:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role))
    return x509.Name(parts)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_others: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_others,
        key_cert_sign=signs_others,
        crl_sign=signs_others,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


# -- checking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """What a certificate says of whom it was made for."""

    role: Role
    names: tuple[str, ...]
    end: datetime.datetime
    """UTC."""

    def warning(self, now: datetime.datetime) -> str:
        """That it ends soon; empty where it does not."""
        left = (self.end - now).days
        if left >= SOON_DAYS:
            return ""
        return f"the certificate of {self.names[0]} ends in {left} days, on {self.end:%Y-%m-%d}; inv fleet init --renew"


def check(files: Files, now: datetime.datetime) -> Member:
    """What the certificate in a folder says.

    RequestError where it is missing, is no certificate, is over or not begun, is of another authority than the one
    beside it, does not fit its key, or others than its owner can read that key.
    """
    for path in (files.authority, files.certificate, files.key):
        if not path.is_file():
            raise RequestError(f"{files.folder} has no certificates: there is no {path.name}", hint=_RENEW)
    if stat.S_IMODE(files.key.stat().st_mode) & 0o077:
        raise RequestError(f"others can read {files.key}", hint=f"chmod 600 {files.key}; if they did, {_RENEW}")
    try:
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        member = _member(certificate)
    except (ValueError, TypeError, OSError, x509.ExtensionNotFound) as error:
        raise RequestError(f"{files.folder} has no certificate of a fleet: {error}", hint=_RENEW) from error
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        told = f"{files.certificate} is of another authority than {files.authority.name}"
        raise RequestError(told, hint=_RENEW) from None
    if key.public_key() != certificate.public_key():
        raise RequestError(f"{files.key} is not the key of {files.certificate.name}", hint=_RENEW)
    for one in (authority, certificate):
        if one.not_valid_after_utc <= now:
            raise RequestError(f"{files.certificate} was good until {one.not_valid_after_utc:%F %T} UTC", hint=_RENEW)
        if one.not_valid_before_utc > now:
            raise RequestError(
                f"{files.certificate} is good from {one.not_valid_before_utc:%F %T} UTC on", hint="Is the clock right?"
            )
    return member


def _member(certificate: x509.Certificate) -> Member:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (unit,) = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return Member(Role(str(unit.value)), tuple(str(name.value) for name in names), certificate.not_valid_after_utc)


# -- a fleet's folder --------------------------------------------------------------------------------------------------


def members(hosts: Sequence[str], scheduler: str) -> Iterator[tuple[str, Role, tuple[str, ...]]]:
    """Folder, role and names of everybody in a fleet."""
    yield "scheduler", Role.SCHEDULER, tuple(dict.fromkeys((scheduler, "localhost", "127.0.0.1", "::1")))
    yield "client", Role.CLIENT, ("client",)
    for host in hosts:
        yield f"hosts/{host}", Role.HOST, (host,)


def issue(folder: Path, hosts: Sequence[str], scheduler: str, days: int, now: datetime.datetime) -> None:
    """A new authority, and a folder with a certificate of it for each member, in `folder`."""
    authority = Authority(days, now)
    for name, role, names in members(hosts, scheduler):
        Files(folder / name).write(authority.certificate, authority.issue(role, names))
