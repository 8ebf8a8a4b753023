"""A certificate authority of an installation's own: made on first start, and what it gives to each process is good for a short while."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE: Final = dt.timedelta(hours=24)
"""Of the certificate of a process; it is renewed at half of that."""
LIFE_OF_AUTHORITY: Final = dt.timedelta(days=3650)
_BEFORE: Final = dt.timedelta(minutes=5)
"""By which another machine's clock may be behind."""


class Authority:
    """The authority in a folder: `ca.pem` for everybody, `ca.key` for its owner alone."""

    def __init__(self, folder: Path) -> None:
        """Made there if it is not; a folder with one half of it is an error (OSError)."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / "ca.key").exists():
            _make(folder)
        loaded = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey), "the authority's key is one of ours"
        self._key = loaded
        self.certificate: Final = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())

    def issue(self, name: str, host: str, folder: Path, *, life: dt.timedelta = LIFE) -> None:
        """Put `pair.pem`, key and certificate in one file, and `ca.pem` into the folder of a process; what was there is replaced."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            _of(name, self.certificate.subject, key, now, now + life)
            .add_extension(x509.SubjectAlternativeName(_names(name, host)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        _write(folder / "ca.pem", self.certificate.public_bytes(serialization.Encoding.PEM))
        both = _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)
        _write(folder / "pair.pem", both)


def _make(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "NEXUS authority")]), dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _of("NEXUS authority", name, key, now, now + LIFE_OF_AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
    _write(folder / "ca.key", _pem(key))


def _of(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, until: dt.datetime) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return made.serial_number(x509.random_serial_number()).not_valid_before(now - _BEFORE).not_valid_after(until)


def _names(name: str, host: str) -> list[x509.GeneralName]:
    """What a process may be called: by its name, and by where it listens."""
    names: list[x509.GeneralName] = [x509.DNSName(name), x509.DNSName("localhost")]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    return names


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all, and for its owner alone."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
