"""Certificates of a cluster: an authority, and the keys it signs for servers, users and nodes.

All keys are P-256. In a client's certificate the common name is the Kubernetes user and each
organisation a group: ``system:masters`` may do everything, ``system:node:NAME`` of group
``system:nodes`` is a kubelet.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VALID = dt.timedelta(days=365)


@dataclass(frozen=True)
class KeyPair:
    """Two PEM files.

    Attributes:
        certificate: the signed certificate.
        key: its private key, readable by the owner only.
    """

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives in a folder, made anew unless the folder holds one."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        self.pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
        if self.pair.certificate.exists():
            loaded = serialization.load_pem_private_key(self.pair.key.read_bytes(), None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)
            self._key = loaded
            return
        self._key = write_key(self.pair.key)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, subject, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        usage = _key_usage(signs_certificates=True)
        signed = builder.add_extension(usage, True).sign(self._key, hashes.SHA256())
        self.pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        file_name: str,
        user: str,
        groups: Iterable[str] = (),
        names: Iterable[str] = (),
    ) -> KeyPair:
        """Sign a new key for clients, and for a server where it has names.

        Args:
            file_name: of the two files in the authority's folder, without suffix.
            user: common name.
            groups: organisations.
            names: host names and IP addresses of the server.
        """
        pair = KeyPair(self.folder / f"{file_name}.crt", self.folder / f"{file_name}.key")
        key = write_key(pair.key)
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        issuer = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes()).subject
        builder = _builder(x509.Name(attributes), issuer, key.public_key())
        builder = builder.add_extension(_key_usage(signs_certificates=False), True)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        if general := [_general_name(name) for name in names]:
            builder = builder.add_extension(x509.SubjectAlternativeName(general), False)
        signed = builder.sign(self._key, hashes.SHA256())
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return pair


def service_account_keys(folder: Path) -> KeyPair:
    """The key that signs ServiceAccount tokens; `certificate` is its bare public key."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = KeyPair(folder / "service-account.pub", folder / "service-account.key")
    if not pair.key.exists():
        public = write_key(pair.key).public_key()
        pair.certificate.write_bytes(
            public.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return pair


def write_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Make a private key and write it where only the owner can read it."""
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + VALID)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
