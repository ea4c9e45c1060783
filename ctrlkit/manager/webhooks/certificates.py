"""
Makes certificates, and reads those that are stored or stand in a caBundle.

In       PEM text, from anywhere: what cannot be used is passed over, and said.
Out      The values of rotation.py, and their PEM text.

Keys are of the curve P-256. Dates are those of the running loop's clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ctrlkit.manager.webhooks.rotation import Authority, Leaf, Vault
from ctrlkit.wire.secrets import NO_PEM, Pem

BUNDLE: Final = "ca.crt"
KEYS: Final = "ca.key"
CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
"""The keys of the Secret's data."""

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----")


class CertificateMaker:
    """
    Makes authorities and certificates, for the server of a name.

    >>> maker = CertificateMaker("cache-operator")
    >>> authority = maker.authority(begins=0, ends=86400)
    >>> maker.leaf(authority, frozenset({"web.demo.svc"}), begins=0, ends=3600).authority == authority
    True
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner

    def authority(self, *, begins: float, ends: float) -> Authority:
        """Make an authority, with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        number = x509.random_serial_number()
        name = f"{self._owner} webhooks authority {number:040x}"[-64:]  # no two have one name
        certificate = authority_certificate(name, key, begins=begins, ends=ends, number=number)
        return _authority(certificate, key=_key_text(key))

    def leaf(self, signer: Authority, names: frozenset[str], *, begins: float, ends: float) -> Leaf:
        """Make the certificate of a server for DNS names and addresses, signed by an authority that has its key."""
        issuer = x509.load_pem_x509_certificate(signer.pem.encode())
        issuer_key = load_pem_private_key(signer.key.encode(), password=None)
        assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = server_certificate(
            f"{self._owner} webhooks"[:64],
            key.public_key(),
            sorted(names),
            issuer=issuer,
            issuer_key=issuer_key,
            begins=begins,
            ends=ends,
        )
        return _leaf(certificate, signer, key=_key_text(key))


# ---- what is stored -------------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """What is stored, as far as it can be used, and in words what cannot."""

    vault: Vault
    faults: tuple[str, ...]


def data_of(vault: Vault) -> dict[str, bytes]:
    """Return a vault as the data of a Secret."""
    leaf = vault.leaf
    return {
        BUNDLE: pem_of(vault.authorities),
        KEYS: "".join(one.key for one in vault.authorities).encode(),
        CERTIFICATE: leaf.pem.encode() if leaf else b"",
        KEY: leaf.key.encode() if leaf else b"",
    }


def read_vault(data: Mapping[str, bytes]) -> Reading:
    """
    Return the vault in the data of a Secret; nothing in it can make this fail.

    >>> read_vault({"tls.crt": b"spoilt"}).faults
    ('tls.crt has no certificate',)
    """
    faults: list[str] = []
    authorities = _read_authorities(data)
    if data.get(BUNDLE, b"").strip() and not authorities:
        faults.append(f"{BUNDLE} has no certificate of an authority")
    keyless = sum(not one.key for one in authorities)
    if keyless:
        faults.append(f"{KEYS} has no P-256 key that may sign for {keyless} of the authorities")
    leaf = _read_leaf(data, authorities, faults) if data.get(CERTIFICATE, b"").strip() else None
    return Reading(Vault(authorities, leaf), tuple(faults))


def _read_authorities(data: Mapping[str, bytes]) -> tuple[Authority, ...]:
    usable = (key for key in _read_keys(data.get(KEYS, b"")) if _is_of_our_curve(key))
    keys = {_public_text(key.public_key()): _key_text(key) for key in usable}
    found = (
        _authority(each, key=keys.get(_public_text(each.public_key()), NO_PEM) if _may_sign(each) else NO_PEM)
        for each in _read_certificates(data.get(BUNDLE, b""))
    )
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.begins, one.id)))


def _read_leaf(data: Mapping[str, bytes], authorities: Iterable[Authority], faults: list[str]) -> Leaf | None:
    certificate = next(_read_certificates(data.get(CERTIFICATE, b"")), None)
    key = next(_read_keys(data.get(KEY, b"")), None)
    if certificate is None:
        faults.append(f"{CERTIFICATE} has no certificate")
        return None
    if key is None or _public_text(key.public_key()) != _public_text(certificate.public_key()):
        faults.append(f"{KEY} is not the key of {CERTIFICATE}")
        return None
    signer = next((one for one in authorities if _is_signed_by(certificate, one)), None)
    if signer is None:
        faults.append(f"no authority of {BUNDLE} has signed {CERTIFICATE}")
        return None
    return _leaf(certificate, signer, key=_key_text(key))


def read_bundle(text: bytes) -> tuple[Authority, ...]:
    """Return the certificates in a caBundle, without the base64 around it; what is none is passed over."""
    return tuple(dict.fromkeys(_authority(each) for each in _read_certificates(text)))


def pem_of(authorities: Iterable[Authority]) -> bytes:
    """Return the text of a caBundle, without the base64 around it."""
    return "".join(one.pem for one in authorities).encode()


def chain_of(leaf: Leaf) -> Pem:
    """Return what a TLS server loads: the key and the certificate."""
    return Pem(leaf.key + leaf.pem)


# ---- of X.509 -------------------------------------------------------------------------------------------------------


def authority_certificate(
    name: str, key: ec.EllipticCurvePrivateKey, *, begins: float, ends: float, number: int | None = None
) -> x509.Certificate:
    """Make the certificate of an authority, signed by itself."""
    subject = _name(name)
    return (
        builder(subject, issuer=subject, key=key.public_key(), begins=begins, ends=ends, number=number)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def server_certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    hosts: Iterable[str],
    *,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    begins: float,
    ends: float,
) -> x509.Certificate:
    """Make the certificate of a server for DNS names and IP addresses."""
    return (
        builder(_name(name), issuer=issuer.subject, key=key, begins=begins, ends=ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def builder(
    subject: x509.Name,
    *,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: float,
    ends: float,
    number: int | None = None,
) -> x509.CertificateBuilder:
    """Begin a certificate."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(number or x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(begins), UTC))
        .not_valid_after(datetime.fromtimestamp(int(ends), UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _general_name(host: str) -> x509.GeneralName:
    """Return a DNS name or an IP address as a subject alternative name."""
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return what a key is for."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority(certificate: x509.Certificate, *, key: Pem = NO_PEM) -> Authority:
    begins, ends = _times(certificate)
    return Authority(id=_fingerprint(certificate), begins=begins, ends=ends, pem=_text(certificate), key=key)


def _leaf(certificate: x509.Certificate, signer: Authority, *, key: Pem) -> Leaf:
    begins, ends = _times(certificate)
    return Leaf(
        id=_fingerprint(certificate),
        authority=signer,
        begins=begins,
        ends=min(ends, signer.ends),
        names=frozenset(_names(certificate)),
        pem=_text(certificate),
        key=key,
    )


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for name in found:
        if isinstance(name, x509.DNSName | x509.IPAddress):
            yield str(name.value)


def _times(certificate: x509.Certificate) -> tuple[float, float]:
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def _text(certificate: x509.Certificate) -> Pem:
    return Pem(certificate.public_bytes(Encoding.PEM).decode())


def _key_text(key: PrivateKeyTypes) -> Pem:
    return Pem(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _public_text(key: object) -> bytes:
    text: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return text


def _is_of_our_curve(key: PrivateKeyTypes) -> bool:
    """Whether a key is of the only curve with which anything is signed here."""
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether others believe what it signs."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_signed_by(certificate: x509.Certificate, authority: Authority) -> bool:
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem.encode()))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _read_certificates(text: bytes) -> Iterator[x509.Certificate]:
    for block in _BLOCK.finditer(text):
        try:
            found = x509.load_pem_x509_certificate(block.group() + b"\n")
            _check_readable(found)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        yield found


def _check_readable(certificate: x509.Certificate) -> None:
    """Have all parsed that is looked at later. Errors: ValueError, TypeError, UnsupportedAlgorithm."""
    _times(certificate)
    certificate.public_key()
    list(certificate.extensions)


def _read_keys(text: bytes) -> Iterator[PrivateKeyTypes]:
    for block in _BLOCK.finditer(text):
        try:
            yield load_pem_private_key(block.group() + b"\n", password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
