"""Unstructured, the default Python type of a resource: a dict with a few helpers."""

from __future__ import annotations

from typing import Any

from ctrlkit.model.meta import ObjectKey, ObjectMeta, meta_of


class Unstructured(dict[str, Any]):
    """
    A whole object as plain JSON data, private to whoever holds it. The `repr` of a Secret has its name alone.

    >>> pod = Unstructured({"kind": "Pod", "metadata": {"name": "a", "namespace": "demo"}, "spec": {"nodeName": "n1"}})
    >>> str(pod.key), pod.at("spec.nodeName"), pod.at("status.podIP")
    ('demo/a', 'n1', None)
    """

    def __repr__(self) -> str:
        return f"<Secret {self.key}>" if _is_secret(self) else super().__repr__()

    def __rich_repr__(self) -> list[str] | None:
        """As `repr`, for the formatter of tracebacks in many programs; None for what it does by itself."""
        return [str(self.key)] if _is_secret(self) else None

    @property
    def metadata(self) -> ObjectMeta:
        """The typed metadata, read anew from the dict on each access."""
        return meta_of(self)

    @property
    def key(self) -> ObjectKey:
        """The namespace and the name."""
        metadata = self.get("metadata") or {}
        return ObjectKey(metadata.get("namespace") or "", metadata.get("name") or "")

    def at(self, path: str, default: Any = None) -> Any:
        """Return the value at a dotted path of field names, or `default` where a part of it is missing."""
        value: Any = self
        try:
            for part in path.split("."):
                if part not in value:
                    return default
                value = value[part]
        except TypeError:  # it is no object there: a text, a list, null
            return default
        return value


def _is_secret(plain: dict[str, Any]) -> bool:
    """Whether an object is a Secret, whose content must not be shown."""
    return plain.get("kind") == "Secret" and plain.get("apiVersion") == "v1"
