"""Releases of Bitcoin Core: the numbers and names under which nodes tell of them. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TEXT: Final = re.compile(r"v?(\d{1,3})(?:\.(\d{1,2}))?(?:\.(\d{1,2}))?(?:\.(\d{1,2}))?")
_TAG: Final = re.compile(r":(v?\d[\d.]*\d|v?\d)(?:[-_][\w.-]*)?(?:@.*)?$")
_FIRST_WITHOUT_ZERO: Final = 22
_FIRST_IMAGE: Final = "v1.0"


class Release(NamedTuple):
    """
    A release, by the number that getnetworkinfo tells.

    >>> Release.of("29.1"), Release.of("29.1").agent, Release.of("0.21.1"), Release.of("0.21.1").agent
    (Release(version=290100), '/Satoshi:29.1.0/', Release(version=210100), '/Satoshi:0.21.1/')
    """

    version: int

    @classmethod
    def of(cls, text: str) -> Release:
        """Read a version as people write it. Errors: ValueError for one that is not 0.x or, since 22, without the 0."""
        found = _TEXT.fullmatch(text)
        numbers = [int(number or 0) for number in found.groups()] if found else [1]
        if numbers[0] == 0:
            numbers = [*numbers[1:], 0]
        elif numbers[0] < _FIRST_WITHOUT_ZERO:
            raise ValueError(f"{text!r} is no version of Bitcoin Core; write one such as 29.1 or 0.21.1")
        major, minor, build, _ = numbers
        return cls(major * 10_000 + minor * 100 + build)

    @classmethod
    def of_image(cls, image: str) -> Release | None:
        """
        Return the release that an image's tag names; None if it names none.

        >>> Release.of_image("bitcoin/bitcoin:29.1-alpine"), Release.of_image("registry:5000/bitcoin")
        (Release(version=290100), None)

        The tag of the first image of this controller's networks, v1.0, stands for a node of its year:

        >>> Release.of_image("christianb93/bitcoind:v1.0").agent
        '/Satoshi:0.16.0/'
        """
        found = _TAG.search(image)
        return cls._of_words(found[1]) if found else None

    @classmethod
    def of_tag(cls, tag: str) -> Release:
        """
        Return the release that the tag of an image, or whoever else, names; DEFAULT_RELEASE if it names none.

        >>> Release.of_tag("29.1-alpine").text, Release.of_tag("latest") == DEFAULT_RELEASE
        ('29.1.0', True)
        """
        return cls.of_image(f":{tag}") or DEFAULT_RELEASE

    @classmethod
    def _of_words(cls, text: str) -> Release | None:
        if text == _FIRST_IMAGE:
            return cls.of("0.16.0")
        try:
            return cls.of(text)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """The version as nodes write it, with all its parts."""
        major, minor, build = self.version // 10_000, self.version // 100 % 100, self.version % 100
        return f"{major}.{minor}.{build}" if major >= _FIRST_WITHOUT_ZERO else f"0.{major}.{minor}"

    @property
    def agent(self) -> str:
        """The name under which a node presents itself to others."""
        return f"/Satoshi:{self.text}/"

    def reads(self, other: Release) -> bool:
        """
        Whether this release goes on with the chain that another one has written.

        >>> Release.of("28.0").reads(Release.of("30.2")), Release.of("27.2").reads(Release.of("28.0"))
        (True, False)
        """
        return not any(self < format_ <= other for format_ in FORMATS)


FORMATS: Final = (Release(150_000), Release(280_000))
"""The releases since which chains are kept in ways that earlier ones do not read."""

DEFAULT_RELEASE: Final = Release(300_200)
"""What a simulated node is where nobody says otherwise."""
