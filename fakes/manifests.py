"""
Objects in files: what people write, and what `kubectl get -o yaml` or `-o json` printed.

YAML is read as Kubernetes reads it: a date is a text, so is `22:22`, and a key is given once. A file may hold several
documents, in JSON too, and lists: of kind List, or of a kind's own such as PodList, whose items need not name theirs.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import yaml

from ctrlkit.errors import ConfigError
from ctrlkit.wire.yaml_numbers import number_in

SUFFIXES: Final = (".yaml", ".yml", ".json")
"""The ends of the names of files that are read in a folder, as kubectl reads them."""

_Base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DATE, _INT, _FLOAT, _TEXT = (f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "float", "str"))
_LEVELS_MAX = 10_000
_OPENERS = ("[", "{", "- ", "? ")
"""What begins a level; the others are told by indentation."""

_INDENTATION = re.compile(r"^ +", re.MULTILINE)


class Manifest(NamedTuple):
    """An object, and where it was read, such as `document 2 of state.yaml`; "" for one that is no part of a file."""

    body: Mapping[str, Any]
    where: str = ""


Seeded = Mapping[str, Any] | str | os.PathLike[str]
"""An object, or the path of a file or folder of objects."""


def read_objects(objects: Iterable[Seeded]) -> list[Manifest]:
    """Read what is given by its path; relative ones begin at the folder of the code, outside of ctrlkit, that asks."""
    return [
        manifest
        for one in objects
        for manifest in ([Manifest(one)] if isinstance(one, Mapping) else read_manifests(_find(one)))
    ]


def _find(path: str | os.PathLike[str]) -> Path:
    """Return where a file or folder is. Errors: ConfigError if there is none, TypeError for what is no path."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"seed {path!r}: it is neither an object nor a path; give a mapping, or the name of a file")
    if isinstance(path, str) and "\n" in path:
        raise ConfigError("seed a text of several lines: a text is the name of a file; give *yaml.safe_load_all(text)")
    folder = _folder_of_caller()
    for place in (folder / path, Path(path)):
        if place.exists():
            return place
    where = f"in {folder}" if folder == Path.cwd() else f"in {folder}, nor in {Path.cwd()}"
    raise ConfigError(f"seed {os.fspath(path)}: there is no such file {where}; name one beside the test, or a folder")


def _folder_of_caller() -> Path:
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("ctrlkit", "asyncio"):
        frame = frame.f_back
    return Path.cwd() if frame is None else Path(frame.f_code.co_filename).parent


def read_manifests(path: str | os.PathLike[str]) -> Iterator[Manifest]:
    """
    Read the objects of a file, or of all files in a folder by the order of their names, lists item by item.

    Errors  ConfigError, which names file and document, for what cannot be read or is no object.
    """
    place = Path(path)
    files = sorted(file for file in place.iterdir() if file.suffix in SUFFIXES) if place.is_dir() else [place]
    if not files:
        raise ConfigError(f"read the manifests in {place}: it has no file whose name ends with {', '.join(SUFFIXES)}")
    for file in files:
        yield from objects_of(read_documents(file), str(file))


def objects_of(documents: Iterable[Any], name: str) -> Iterator[Manifest]:
    """Yield the objects of documents, lists item by item. Errors: ConfigError for what is no object."""
    for number, document in enumerate(documents, start=1):
        where = f"document {number} of {name}"
        if not isinstance(document, Mapping):
            raise _no_object(where, document)
        yield from items_of(document, where)


def items_of(body: Mapping[str, Any], where: str = "") -> Iterator[Manifest]:
    """
    Yield the items of a list, each with its kind, or the object itself if it is none.

    >>> pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}}]}
    >>> [(one.body["kind"], one.where) for one in items_of(pods)]
    [('Pod', 'item 1 of a PodList')]
    """
    version, kind, items = str(body.get("apiVersion", "")), str(body.get("kind", "")), body.get("items")
    is_object = kind != "List" and (not kind.endswith("List") or "name" in (body.get("metadata") or {}))
    if kind == "List" and not (items is None or isinstance(items, list)):
        raise ConfigError(f"read {where or 'a List'}: its items are no list; write them as one")
    if is_object or not (items is None or isinstance(items, list)):
        yield Manifest(body, where)
        return
    said = {} if kind == "List" else {"apiVersion": version, "kind": kind.removesuffix("List")}
    for number, item in enumerate(items or (), start=1):
        here = f"item {number} of {where or f'a {kind}'}"
        if not isinstance(item, Mapping):
            raise _no_object(here, item)
        yield from items_of({**said, **item}, here)


def _no_object(where: str, value: Any) -> ConfigError:
    fact = f"it is of type {type(value).__name__}"
    return ConfigError(f"read {where}: {fact}; write a mapping with apiVersion and kind")


def read_documents(path: Path, *, what: str = "manifest") -> Iterable[Any]:
    """Read the documents of a file, which is called `what` in errors; empty ones are left out. Errors: ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"read the {what} {path}: {error.strerror}; name a file of YAML or JSON") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"read the {what} {path}: it is no YAML: {error}") from None
    return documents_in(text, f"read the {what} {path}")


def documents_in(text: str, tried: str) -> Iterable[Any]:
    """Return the documents in a text, without empty ones; errors begin with what was tried. Errors: ConfigError."""
    found = _json_documents(text) if text.lstrip().startswith("{") else None
    if found is not None:
        return found
    try:
        if _is_too_deep(text):
            raise ConfigError(
                f"{tried}: it is nested more than {_LEVELS_MAX} levels deep; no server takes such an object"
            )
        return [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{tried}: it is no YAML: {error.problem}{line}") from None
    except ValueError:
        raise ConfigError(f"{tried}: it has a number of thousands of digits; no field takes one") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{tried}: it is no YAML: {' '.join(str(error).split())}") from None


def _is_too_deep(text: str) -> bool:
    """Whether a text has so many levels that reading it, which the YAML library does by recursion in C, could crash."""
    most = sum(map(text.count, _OPENERS)) + max(map(len, _INDENTATION.findall(text)), default=0)
    if most <= _LEVELS_MAX:
        return False
    level = 0
    for event in yaml.parse(text, Loader=_Loader):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > _LEVELS_MAX:
            return True
    return False


def _json_documents(text: str) -> list[Any] | None:
    """Read values of JSON that follow each other; None if it is not JSON, but perhaps YAML that begins like it."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text) and (rest := text[at:].lstrip()):
        try:
            value, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return None
        found.append(value)
        at = len(text) - len(rest) + end
    return found


class _Loader(_Base):  # type: ignore[misc]
    """Reads YAML as Kubernetes does."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
        first: [one for one in resolvers if one[0] not in (_DATE, _INT, _FLOAT)]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }

    def resolve(self, kind: type[Any], value: Any, implicit: Any) -> Any:
        """Say what a text stands for."""
        number = number_in(value) if kind is yaml.ScalarNode and implicit[0] else None
        if number is None:
            return super().resolve(kind, value, implicit)
        return _INT if isinstance(number, int) else _FLOAT

    def construct_number(self, node: Any) -> Any:
        """Make a number."""
        number = number_in(node.value)
        if number is None:
            raise yaml.constructor.ConstructorError(None, None, f"{node.value!r} is no number", node.start_mark)
        return number

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Make a dict, whose keys are texts."""
        seen: set[str] = set()
        for number, (key, value) in enumerate(node.value):
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            name = self.construct_object(key)
            if not isinstance(name, str):
                name = json.dumps(name, default=str)
                node.value[number] = (yaml.ScalarNode(_TEXT, name, key.start_mark, key.end_mark), value)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {name!r} is given twice", key.start_mark)
            seen.add(name)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return made


for _kind in (_INT, _FLOAT):
    _Loader.add_constructor(_kind, _Loader.construct_number)
