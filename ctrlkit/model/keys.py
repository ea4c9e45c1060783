"""Names of objects, and the order of their versions."""

from __future__ import annotations

from typing import NamedTuple


class ObjectKey(NamedTuple):
    """
    Where an object lives within its kind: `namespace/name`, or `name` alone for a cluster-scoped kind.

    >>> ObjectKey.parse("demo/net"), str(ObjectKey("", "demo"))
    (ObjectKey(namespace='demo', name='net'), 'demo')
    >>> ObjectKey.parse("a/b/c")
    Traceback (most recent call last):
      ...
    ValueError: object key 'a/b/c': want 'name' or 'namespace/name'
    """

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ObjectKey:
        """Read `namespace/name` or `name`; ValueError for anything else."""
        try:
            namespace, slash, name = text.rpartition("/")
        except AttributeError:
            raise ValueError(f"object key {text!r}: want an ObjectKey or its text") from None
        if not name or "/" in namespace or (slash and not namespace):
            raise ValueError(f"object key {text!r}: want 'name' or 'namespace/name'")
        return cls(namespace, name)

    @classmethod
    def of(cls, key: ObjectKey | str) -> ObjectKey:
        """Accept a key or its text."""
        return key if isinstance(key, ObjectKey) else cls.parse(key)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def is_newer(version: str, than: str) -> bool:
    """
    Whether one resourceVersion comes after another of the same resource.

    >>> is_newer("10", "9"), is_newer("9", "9"), is_newer("1", "")
    (True, False, True)

    Versions are decimal numbers of any length (KEP-5504); an empty one is older than all. Two that are not numbers are
    never newer than each other, so a caller falls back on equality.
    """
    if len(version) == len(than) and version <= than:
        return False  # whatever they are; nearly all questions end here
    if not than:
        return bool(version)
    if not (version.isdigit() and than.isdigit()):
        return False
    return (len(version), version) > (len(than), than)
