"""Files of manifests, put into a tracker as `kubectl create -f` would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ctrlkit.errors import ApiError, ConfigError
from ctrlkit.fakes.clientset.clientset import seed
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import to_plain


def load(tracker: Tracker, paths: Iterable[Path]) -> int:
    """
    Put the objects of YAML or JSON files into a tracker, in their order; returns how many.

    Shape   A file holds one object or several, apart by `---`; empty ones are passed over. Definitions stand before
            what is defined by them, as for kubectl. Without a namespace, objects of namespaced kinds are in `default`.
    Errors  ConfigError for a file that cannot be read or does not hold objects, and for an object that a server would
            refuse; it names the file and the object.
    """
    count = 0
    for path in paths:
        for number, item in enumerate(_documents(path), start=1):
            what = f"create object {number} of {path}"
            if not isinstance(item, dict):
                fact = f"it is of type {type(item).__name__}"
                raise ConfigError(f"{what}: {fact}; write a mapping with apiVersion and kind")
            try:
                seed(tracker, _placed(tracker, item))
            except (ApiError, ValueError) as error:
                raise ConfigError(f"{what}: {error}") from None
            count += 1
    return count


def _documents(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (item for item in yaml.safe_load_all(file) if item is not None)
    except OSError as error:
        raise ConfigError(f"read the manifest {path}: {error.strerror}; name a file of YAML or JSON") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"read the manifest {path}: it is no YAML: {reason}") from None


def _placed(tracker: Tracker, item: dict[str, Any]) -> dict[str, Any]:
    """The object, in the namespace `default` where it needs one and names none."""
    served = tracker.registry.find_kind(str(item.get("apiVersion", "")), str(item.get("kind", "")))
    body: dict[str, Any] = to_plain(item)
    metadata = body.get("metadata")
    if served is not None and served.resource.namespaced and isinstance(metadata, dict):
        metadata.setdefault("namespace", "default")
    return body
