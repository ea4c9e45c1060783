"""
Tokens of service accounts: JSON Web Tokens signed with a key of this process, and whom they stand for.

The key is made when it is first needed, and exists in memory only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ctrlkit import clock
from ctrlkit.fakes.tracker.refusals import quoted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

ISSUER = "https://kubernetes.default.svc"
"""Who issues the tokens, and the audience of those that name none: the server itself."""
_EXTRA = "authentication.kubernetes.io/"
_KEY_BITS = 2048
_EXPONENT = 65537


class Account(NamedTuple):
    """
    Whom a token stands for.

    `bound` are the name and uid of the object that it is bound to, by its kind; `token_id` is that of the token.
    """

    namespace: str
    name: str
    uid: str
    bound: Mapping[str, Mapping[str, str]]
    token_id: str = ""

    @property
    def username(self) -> str:
        """The name of the user that the account is."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def extra(self) -> dict[str, list[str]]:
        """What a server says of the user besides: the token, and the pod and node that it is bound to."""
        found = {f"{_EXTRA}credential-id": [f"JTI={self.token_id}"]} if self.token_id else {}
        for kind in ("node", "pod"):
            for name in ("name", "uid"):
                if value := self.bound.get(kind, {}).get(name):
                    found[f"{_EXTRA}{kind}-{name}"] = [value]
        return found


class InvalidToken(Exception):
    """A token stands for nobody; the text is what a server says of it, "" of one that it did not sign."""


class Read(NamedTuple):
    """Whom a token stands for, and for which audiences."""

    account: Account
    audiences: tuple[str, ...]


class Issuer:
    """Signs and reads the tokens of one server."""

    def sign(self, account: Account, audiences: list[str], *, valid_s: int) -> str:
        """Return a new token."""
        now = int(clock.now().timestamp())
        kubernetes: dict[str, Any] = {"namespace": account.namespace, **account.bound}
        kubernetes["serviceaccount"] = {"name": account.name, "uid": account.uid}
        claims = {
            "aud": audiences,
            "exp": now + valid_s,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
            "kubernetes.io": kubernetes,
            "nbf": now,
            "sub": f"system:serviceaccount:{account.namespace}:{account.name}",
        }
        signed = f"{_encoded({'alg': 'RS256', 'kid': self._key_id})}.{_encoded(claims, order='deterministic')}"
        return f"{signed}.{_base64(self._signature(signed.encode()))}"

    def read(self, token: str, audiences: Sequence[str] = (ISSUER,)) -> Read:
        """
        Return whom a token stands for, and for which of the audiences it does.

        Errors  InvalidToken for one that this server did not sign, or is not valid now, or for none of the audiences.
        """
        signed, _, signature = token.rpartition(".")
        if not self._is_ours(signed.encode(errors="replace"), signature):
            raise InvalidToken
        claims = msgspec.json.decode(_bytes(signed.partition(".")[2]))
        common = tuple(audience for audience in audiences if audience in claims["aud"])
        if not common:
            shown = (f"[{' '.join(map(quoted, texts))}]" for texts in (claims["aud"], audiences))
            raise InvalidToken("token audiences {} is invalid for the target audiences {}".format(*shown))
        now = clock.now().timestamp()
        if now >= claims["exp"]:
            raise InvalidToken("service account token has expired")
        if now < claims["nbf"]:
            raise InvalidToken("service account token is not valid yet")
        kubernetes = claims["kubernetes.io"]
        account = kubernetes.pop("serviceaccount")
        namespace = kubernetes.pop("namespace")
        return Read(Account(namespace, account["name"], account["uid"], kubernetes, claims["jti"]), common)

    def public_keys(self) -> list[dict[str, str]]:
        """Return the keys by which tokens are checked, each as a JSON Web Key."""
        numbers = self._public_key.public_numbers()
        modulus, exponent = (
            _base64(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e)
        )
        return [{"use": "sig", "kty": "RSA", "kid": self._key_id, "alg": "RS256", "n": modulus, "e": exponent}]

    @cached_property
    def _key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - only who asks for tokens pays for it

        return rsa.generate_private_key(_EXPONENT, _KEY_BITS)

    @cached_property
    def _key_id(self) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - as above

        public = self._public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _base64(hashlib.sha256(public).digest())

    @cached_property
    def _public_key(self) -> RSAPublicKey:
        return self._key.public_key()

    def _signature(self, signed: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - as above

        return self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())

    def _is_ours(self, signed: bytes, signature: str) -> bool:
        if "_key" not in self.__dict__ or signed.count(b".") != 1:
            return False  # nothing was signed yet, or it is no such token
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - as above

        try:
            self._public_key.verify(_bytes(signature), signed, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def _encoded(value: object, order: Any = None) -> str:
    return _base64(msgspec.json.encode(value, order=order))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
