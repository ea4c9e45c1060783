"""The images that there are, by name, and how that of a container is found among them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, MutableMapping

from ctrlkit.fakes.cluster.node.images.declarations import Image, InProcessProgramFactory
from ctrlkit.fakes.cluster.node.images.references import ImageReference, InvalidImageName, parse_image
from ctrlkit.fakes.cluster.node.images.usage import Usage
from ctrlkit.fakes.cluster.node.runtime import PulledImage

OTHERS = "*"
"""The name of the declaration for every image that has none of its own."""

_REMEMBERED_MAX = 1000

Images = Mapping[str, Image | InProcessProgramFactory]
"""Declarations of images by name; a function that makes a program stands for `Image(make=...)`."""


class UnusedImageWarning(UserWarning):
    """What was declared of an image counted for no container, so that a test of it shows nothing."""


class Catalog(MutableMapping[str, Image]):
    """
    Declarations of images, by name.

    >>> images = Catalog({"web:2": Image(refuses="no"), "web": Image()})
    >>> images.find("example.com/web:2").refuses, images.find("docker.io/library/web").refuses, images.find("db")
    ('no', '', None)

    Shape   A name is a whole one, with or without registry, tag and digest, or the last part of one; the most exact one
            that fits counts, and then `OTHERS`. Names that registries take for one are one.
    Errors  ValueError for what can be no image's name, TypeError for what is no declaration.
    """

    def __init__(self, images: Images | None = None) -> None:
        self._images: dict[str, Image] = {}
        self._found: dict[str, Image | None] = {}
        self._met: set[str] = set()
        self._unmet: dict[str, str] = {}
        self._usages: dict[int, Usage] = {}
        for name, image in (images or {}).items():
            self[name] = image
        self._unmet.clear()
        self._first = {id(image): image for image in self._images.values()}

    def __setitem__(self, name: str, image: Image | InProcessProgramFactory) -> None:
        """Declare an image, for containers that start from now on."""
        given: object = image
        if not isinstance(given, Image) and not callable(given):
            what = f"declare the image {name}: it is of type {type(given).__name__}"
            raise TypeError(f"{what}; give an Image, or a function that makes a program")
        key = _key(name)
        self._images[key] = image if isinstance(image, Image) else Image(make=image)
        if key not in self._met and key != OTHERS:
            self._unmet[key] = name
        self._found.clear()

    def __getitem__(self, name: str) -> Image:
        """Return the declaration of exactly this name."""
        return self._images[_key(name)]

    def __delitem__(self, name: str) -> None:
        """Take a declaration back."""
        del self._images[_key(name)]
        self._unmet.pop(_key(name), None)
        self._found.clear()

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._images)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._images)

    def find(self, name: str) -> Image | None:
        """Return the declaration that counts for a container's image; None if there is none."""
        if len(self._found) > _REMEMBERED_MAX:
            self._found.clear()
        if name not in self._found:
            fitting = [key for key in _keys(name) if key in self._images]
            self._met.update(fitting)
            for key in fitting:
                self._unmet.pop(key, None)
            self._found[name] = self._images[fitting[0]] if fitting else None
        return self._found[name]

    def usage(self, name: str) -> Usage | None:
        """Return what the containers of the image that counts are asked for; None if there is none."""
        image = self.find(name)
        if image is None:
            return None
        if id(image) not in self._usages:  # which keeps the image, and so its id
            known = next(key for key, one in self._images.items() if one is image)
            self._usages[id(image)] = Usage(known, image)
        return self._usages[id(image)]

    def unused(self) -> tuple[str, ...]:
        """
        Return the names that were declared one by one, and that no container's image had since.

        Those that a catalog is made with may be unused, and so may `OTHERS`.
        """
        return tuple(self._unmet.values())

    def tell_unused(self) -> None:
        """Warn once about the names of `unused`, and about answers that no container was asked for."""
        unused = self.unused()
        self._unmet.clear()
        usages, self._usages = self._usages, {}
        for number, usage in usages.items():
            for unasked in usage.unasked(may_be_unused=number in self._first):
                warnings.warn(f"end the images: {unasked}", UnusedImageWarning, stacklevel=2)
        if unused:
            warnings.warn(
                f"end the images: no container had {', '.join(unused)}; mend the name, or declare what may be unused "
                "where the world is made, in World(images={...})",
                UnusedImageWarning,
                stacklevel=2,
            )

    @property
    def ports(self) -> set[int]:
        """The ports that processes listen on; empty if no image is one."""
        return {port for image in self._images.values() if image.programs is not None for port in image.ports}

    @property
    def has_processes(self) -> bool:
        """Whether any image runs programs of this machine."""
        return any(image.programs is not None for image in self._images.values())


def _key(name: str) -> str:
    """The form under which a declaration is kept; that of a short name without a tag has its last part alone."""
    if name == OTHERS:
        return name
    try:
        return _shortest(parse_image(name))
    except InvalidImageName as error:
        raise ValueError(
            f"declare the image {name!r}: {error}; name it as pods do, as web, web:2 or {OTHERS!r}"
        ) from None


def _shortest(reference: ImageReference) -> str:
    """
    Return the shortest text for an image, with its tag or digest only if it is given.

    >>> [_shortest(parse_image(name)) for name in ("docker.io/library/web", "index.docker.io/a/web:2", "h.io/web")]
    ['web', 'a/web:2', 'h.io/web']
    """
    name = reference.name
    for prefix in ("docker.io/library/", "docker.io/"):
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    tag, digest = (f":{reference.tag}" if reference.tag else ""), (f"@{reference.digest}" if reference.digest else "")
    return name + tag + digest


def _keys(name: str) -> Iterator[str]:
    """Yield the names under which the declaration of a container's image may stand, the most exact first."""
    try:
        reference = parse_image(name)
    except InvalidImageName:
        return
    domain, path, tag, digest = reference.domain, reference.path, reference.tag, reference.digest
    tags = (tag,) if tag or digest else ("latest",)
    for whole, part in ((domain, path), ("docker.io", f"library/{reference.last_part}")):
        for one, other in (*((each, digest) for each in tags), ("", digest), *((each, "") for each in tags), ("", "")):
            yield _shortest(ImageReference(whole, part, one, other))
    yield OTHERS


def pulled(name: str, image: Image | None, *, note: str = "") -> PulledImage:
    """Return the ID and size that an image has on nodes, the same each time. Errors: InvalidImageName."""
    reference = parse_image(name)
    digest = hashlib.sha256(str(reference).encode())
    size = image.pull.size_bytes if image is not None else None
    known = reference.digest or f"sha256:{digest.hexdigest()}"
    size = 1_000_000 + digest.digest()[0] * 100_000 if size is None else size
    return PulledImage(f"{reference.name}@{known}", size, note)
