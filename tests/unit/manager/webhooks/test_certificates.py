"""Certificates as they are made, stored, damaged and read again."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import verification
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.manager.webhooks.certificates import CertificateMaker, builder, data_of, pem_of, read_bundle, read_vault
from ctrlkit.manager.webhooks.rotation import Begin, Lives, Vault, View, plan, written

MAKER = CertificateMaker("web")
OLD, NEW = (MAKER.authority(begins=begins, ends=100_000) for begins in (0, 1000))
LEAF = MAKER.leaf(NEW, frozenset({"web.demo.svc", "10.0.0.5"}), begins=2000, ends=50_000)
VAULT = Vault((OLD, NEW), LEAF)
DATA = data_of(VAULT)


def test_what_is_stored_is_read_again_with_its_keys() -> None:
    """Authorities in order, and the certificate with the one that signed it."""
    vault, faults = read_vault(DATA)
    assert (vault, faults) == (VAULT, ())
    assert [one.key for one in vault.authorities] == [OLD.key, NEW.key]
    assert vault.leaf is not None
    assert (vault.leaf.authority, vault.leaf.key) == (NEW, LEAF.key)


def test_a_certificate_is_verified_by_the_bundle_for_each_of_its_names() -> None:
    """In a bundle of several, and for an address too."""
    authorities = x509.load_pem_x509_certificates(pem_of(VAULT.authorities))
    policy = verification.PolicyBuilder().store(verification.Store(authorities)).time(datetime.fromtimestamp(3000, UTC))
    certificate = x509.load_pem_x509_certificate(LEAF.pem.encode())
    for name in sorted(LEAF.names):
        policy.build_server_verifier(_subject(name)).verify(certificate, [])


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    return x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


def test_each_part_that_is_missing_or_anothers_is_said_and_the_rest_is_used() -> None:
    """A key that is gone, a certificate of another key, an authority that is not there."""
    stranger = MAKER.authority(begins=0, ends=1000)
    for change, fault, has_leaf in (
        ({"ca.key": OLD.key.encode()}, "ca.key has no P-256 key that may sign for 1 of the authorities", True),
        ({"tls.key": NEW.key.encode()}, "tls.key is not the key of tls.crt", False),
        ({"tls.crt": b"-----"}, "tls.crt has no certificate", False),
        ({"ca.crt": stranger.pem.encode()}, "no authority of ca.crt has signed tls.crt", False),
    ):
        vault, faults = read_vault(DATA | change)
        assert fault in faults
        assert (vault.leaf is not None) == has_leaf
        assert vault.authorities


def an_authority_of_another(key: Any, *, is_authority: bool) -> dict[str, bytes]:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "another")])
    made = builder(name, issuer=name, key=key.public_key(), begins=0, ends=100_000)
    if is_authority:
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"ca.crt": made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), "ca.key": text}


@pytest.mark.parametrize(
    ("key", "is_authority"),
    [
        (rsa.generate_private_key(65537, 2048), True),
        (ec.generate_private_key(ec.SECP256K1()), True),
        (ec.generate_private_key(ec.SECP256R1()), False),
    ],
    ids=["RSA", "a curve that servers do not know", "no authority"],
)
def test_what_signs_nothing_that_servers_believe_stays_in_the_bundle_and_another_authority_signs(
    key: Any, is_authority: bool
) -> None:
    """Somebody stored an authority of his own."""
    vault, faults = read_vault(an_authority_of_another(key, is_authority=is_authority))
    assert faults == ("ca.key has no P-256 key that may sign for 1 of the authorities",)
    step = plan(View(names=LEAF.names, vault=vault), 3000, Lives()).write
    assert isinstance(step, Begin)
    after = written(step, vault, MAKER, 3000, Lives())
    assert after.authorities[: len(vault.authorities)] == vault.authorities
    assert after.leaf is not None
    assert after.leaf.authority == after.authorities[-1]


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(DATA)), st.integers(0, 3000), st.binary(max_size=40))
def test_nothing_that_is_stored_makes_reading_fail(key: str, where: int, junk: bytes) -> None:
    """Whatever is written over a part of it."""
    text = DATA[key]
    read_vault(DATA | {key: text[:where] + junk + text[where + len(junk) :]})
    assert isinstance(read_bundle(junk), tuple)


def test_of_a_ca_bundle_with_other_things_in_it_the_certificates_are_read() -> None:
    """As Go does: text between them, and blocks of another kind, are passed over."""
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    text = f"# ours\n{OLD.key}{OLD.pem}\n{broken}{NEW.pem}"
    assert read_bundle(text.encode()) == (OLD, NEW)
