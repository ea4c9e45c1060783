"""
How the name of an image is read: registry, repository, tag and digest.

A name without a registry is one of Docker Hub, and `library/` is left out there: `web`, `docker.io/web` and
`docker.io/library/web` are one image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_HUB = "docker.io"
_OLD_HUB = "index.docker.io"
_PATH_MAX = 255

_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_PART}(?:\.{_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_PATH = f"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = "[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}"
_DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"((?:{_DOMAIN}/)?{_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?")
_NAME = re.compile(f"(?:({_DOMAIN})/)?({_PATH})")
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}


class InvalidImageName(ValueError):
    """A text is no name of an image; says why, in the words of container registries."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """
    The name of an image in its parts; without tag and digest both are ''.

    >>> parse_image("web:2")
    ImageReference(domain='docker.io', path='library/web', tag='2', digest='')
    >>> parse_image("localhost:5000/shop/web").name
    'localhost:5000/shop/web'
    """

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def last_part(self) -> str:
        """The last part of the repository, as `web` of `example.com/shop/web:2`."""
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        """Return the whole name, with the tag that counts."""
        tag = self.tag or ("" if self.digest else "latest")
        return self.name + (f":{tag}" if tag else "") + (f"@{self.digest}" if self.digest else "")


@lru_cache(maxsize=1024)
def parse_image(text: str) -> ImageReference:
    """
    Read the name of an image.

    >>> str(parse_image("christianb93/bitcoind")), str(parse_image("ghcr.io/a/b:1"))
    ('docker.io/christianb93/bitcoind:latest', 'ghcr.io/a/b:1')
    >>> parse_image("Web:2")
    Traceback (most recent call last):
        ...
    ctrlkit.fakes.cluster.node.images.references.InvalidImageName: invalid reference format: repository name \
(library/Web) must be lowercase

    Errors  InvalidImageName.
    """
    if re.fullmatch("[a-f0-9]{64}", text):
        raise InvalidImageName(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, rest = _split_domain(text)
    path = rest.partition(":")[0]
    if path.lower() != path:
        raise InvalidImageName(f"invalid reference format: repository name ({path}) must be lowercase")
    whole = f"{domain}/{rest}"
    found = _REFERENCE.fullmatch(whole)
    if found is None:
        is_lower = _REFERENCE.fullmatch(whole.lower())
        raise InvalidImageName("repository name must be lowercase" if is_lower else "invalid reference format")
    name = _NAME.fullmatch(found[1])
    assert name is not None  # it is the first part of the other expression
    if len(name[2]) > _PATH_MAX:
        raise InvalidImageName(f"repository name must not be more than {_PATH_MAX} characters")
    _check_digest(found[3] or "")
    return ImageReference(name[1] or "", name[2], found[2] or "", found[3] or "")


def with_default_tag(image: str) -> str:
    """
    Return the name of an image as it is pulled: with the tag `latest` if it says neither tag nor digest.

    >>> with_default_tag("web"), with_default_tag("web:2")
    ('web:latest', 'web:2')

    Errors  InvalidImageName.
    """
    try:
        reference = parse_image(image)
    except InvalidImageName as error:
        raise InvalidImageName(f'couldn\'t parse image name "{image}": {error}') from None
    return image if reference.tag or reference.digest else f"{image}:latest"


def _split_domain(text: str) -> tuple[str, str]:
    """Split off the registry; a first part is one if it looks like a host."""
    first, slash, rest = text.partition("/")
    if not slash:
        return _HUB, f"library/{text}"
    if first == _OLD_HUB:
        first = _HUB
    if not (first == "localhost" or "." in first or ":" in first or first.lower() != first):
        first, rest = _HUB, text
    return first, f"library/{rest}" if first == _HUB and "/" not in rest else rest


def _check_digest(digest: str) -> None:
    if not digest:
        return
    algorithm, _, digits = digest.partition(":")
    if algorithm not in _DIGITS:
        is_well_formed = re.fullmatch("[a-z0-9]+(?:[.+_-][a-z0-9]+)*", algorithm)
        raise InvalidImageName("unsupported digest algorithm" if is_well_formed else "invalid checksum digest format")
    if len(digits) != _DIGITS[algorithm]:
        raise InvalidImageName("invalid checksum digest length")
    if digits.lower() != digits:
        raise InvalidImageName("invalid checksum digest format")
