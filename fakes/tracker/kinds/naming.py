"""Names of objects: which are allowed, and how the server makes one up."""

from __future__ import annotations

import re

from ctrlkit import clock
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.model import AnyResource

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_LONGEST_BASE = 58
GENERATE_TRIES = 8
"""How many made-up names the server tries before it says that the name is taken."""

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
_PATH_KINDS = frozenset({"roles", "rolebindings", "clusterroles", "clusterrolebindings"})
_LABEL_KINDS = frozenset({"namespaces", "statefulsets"})


def generate_name(base: str) -> str:
    """
    A name that begins with `base`, cut to leave room for five random characters (row X3).

    >>> len(generate_name("x" * 80)), generate_name("net-")[:4]
    (63, 'net-')
    """
    suffix = "".join(clock.random_source().choices(_SUFFIX_ALPHABET, k=_SUFFIX_LENGTH))
    return base[:_LONGEST_BASE] + suffix


def name_causes(resource: AnyResource, name: str) -> list[Cause]:
    """
    What the server has against a name; the rules depend on the kind.

    >>> from ctrlkit.model.kinds import PODS, ROLES
    >>> [cause.field for cause in name_causes(PODS, "Not_Valid")], name_causes(ROLES, "system:Leader")
    (['metadata.name'], [])
    """
    return [Cause.wrong("metadata.name", name, text) for text in _complaints(resource, name)]


def base_causes(resource: AnyResource, base: str) -> list[Cause]:
    """What the server has against the base of a name it is to make up; a dash may end it."""
    whole = f"{base[:-1]}a" if base.endswith("-") and len(base) > 1 else base
    return [Cause.wrong("metadata.generateName", base, text) for text in _complaints(resource, whole)]


def _complaints(resource: AnyResource, name: str) -> list[str]:
    if resource.plural in _PATH_KINDS:
        return _path_complaints(name)
    if resource.identity == ("", "services"):
        return _checked(name, 63, LABEL_1035, SERVICE_TEXT)
    if resource.plural in _LABEL_KINDS:
        is_dotted = re.fullmatch(SUBDOMAIN, name) is not None
        return _checked(name, 63, LABEL, DOTS_TEXT if is_dotted else LABEL_TEXT)
    return _checked(name, 253, SUBDOMAIN, SUBDOMAIN_TEXT)


def _checked(name: str, longest: int, pattern: str, text: str) -> list[str]:
    complaints = [f"must be no more than {longest} characters"] if len(name) > longest else []
    return complaints if re.fullmatch(pattern, name) else [*complaints, text]


def _path_complaints(name: str) -> list[str]:
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in name]


SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
)
SERVICE_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{LABEL_1035}')"
)
DOTS_TEXT = "must not contain dots"
