"""Text that must not be shown: tokens, passwords, keys."""

from __future__ import annotations

from typing import Final, SupportsIndex


class Secret(str):
    """
    A string whose repr does not show it, whoever formats a traceback with its local variables.

    >>> Secret("s3cret")
    <secret>
    >>> [Secret("s3cret")[:3]], f"Bearer {Secret('s3cret')}"
    ([<secret>], 'Bearer s3cret')

    Parts are secret too: formatters cut long values before they show them. What is made of it otherwise, such as the
    f-string above, is plain text: wrap it again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    def __getitem__(self, index: SupportsIndex | slice) -> Secret:
        return Secret(super().__getitem__(index))


class Pem(Secret):
    """Certificates and keys in PEM form; inline in a kubeconfig they are base64 of it."""

    __slots__ = ()


NO_SECRET: Final = Secret()
NO_PEM: Final = Pem()
