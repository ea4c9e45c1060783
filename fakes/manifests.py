"""
Objects in files: what people write, and what `kubectl get -o yaml` or `-o json` printed.

YAML is read as Kubernetes reads it: a date is a text, so is `22:22`, and a key is given once. A file may hold several
documents, in JSON too, and lists: of kind List, or of a kind's own such as PodList, whose items need not name theirs.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from ctrlkit.errors import ConfigError
from ctrlkit.wire.yaml_body import read_yaml_documents

SUFFIXES: Final = (".yaml", ".yml", ".json")
"""The ends of the names of files that are read in a folder, as kubectl reads them."""

_REMEMBERED: Final = 32
_REMEMBERED_LENGTH_MAX: Final = 1024 * 1024
"""How many texts are remembered with the documents in them, and up to which length."""


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
        if _exists(place):
            return place
    where = f"in {folder}" if folder == Path.cwd() else f"in {folder}, nor in {Path.cwd()}"
    raise ConfigError(f"seed {os.fspath(path)}: there is no such file {where}; name one beside the test, or a folder")


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # its name is too long for a file
        return False


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
    files = sorted(filter(_is_manifest, place.iterdir())) if place.is_dir() else [place]
    if not files:
        raise ConfigError(f"read the manifests in {place}: it has no file whose name ends with {', '.join(SUFFIXES)}")
    is_empty = True
    for file in files:
        documents = list(read_documents(file))
        is_empty = is_empty and not documents
        yield from objects_of(documents, str(file))
    if is_empty:
        raise ConfigError(
            f"read the manifests in {place}: there are no objects; see how it was written, or leave it out"
        )


def _is_manifest(file: Path) -> bool:
    return file.suffix in SUFFIXES and not file.is_dir()


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
    if not _is_list(kind, body):
        yield Manifest(body, where)
        return
    if "items" not in body or not (items is None or isinstance(items, list)):
        fact = "its items are no list" if "items" in body else "it has no items"
        raise ConfigError(f"read {where or f'a {kind}'}: {fact}; write them as a list")
    said = {} if kind == "List" else {"apiVersion": version, "kind": kind.removesuffix("List")}
    for number, item in enumerate(items or (), start=1):
        here = f"item {number} of {where or f'a {kind}'}"
        if not isinstance(item, Mapping):
            raise _no_object(here, item)
        yield from items_of({**said, **item}, here)


def _is_list(kind: str, body: Mapping[str, Any]) -> bool:
    """Whether this is a list, and not an object of a custom kind whose name ends like that of one."""
    metadata = body.get("metadata")
    is_named = isinstance(metadata, Mapping) and not metadata.keys().isdisjoint(("name", "generateName"))
    return kind == "List" or (kind.endswith("List") and "items" in body and not is_named)


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
    if len(text) > _REMEMBERED_LENGTH_MAX:
        return _documents_in(text, tried)
    try:
        documents: Iterable[Any] = pickle.loads(_pickled_documents(text, tried))
    except RecursionError:
        return _documents_in(text, tried)
    return documents


@functools.lru_cache(maxsize=_REMEMBERED)
def _pickled_documents(text: str, tried: str) -> bytes:
    """Read a text once: each test seeds the same files, and to read the YAML of definitions takes long."""
    return pickle.dumps(_documents_in(text, tried))


def _documents_in(text: str, tried: str) -> list[Any]:
    found = _json_documents(text) if text.lstrip().startswith("{") else None
    if found is not None:
        return found
    doubled: list[tuple[int, str]] = []
    try:
        documents = [
            one for one in read_yaml_documents(text.encode(errors="surrogatepass"), doubled) if one is not None
        ]
    except ValueError as error:
        raise ConfigError(f"{tried}: it is no YAML: {_problem(error)}") from None
    if doubled:
        line, name = doubled[0]
        raise ConfigError(f"{tried}: it is no YAML: key {name!r} is given twice in line {line}")
    return documents


def _problem(error: ValueError) -> str:
    """What is wrong with a text, and the line that an editor shows."""
    cause = error.__cause__
    if isinstance(cause, yaml.MarkedYAMLError) and cause.problem_mark is not None:
        return f"{cause.problem} in line {cause.problem_mark.line + 1}"
    return str(error)


def _json_documents(text: str) -> list[Any] | None:
    """
    Read values of JSON that follow each other; None if it is not JSON, but perhaps YAML that begins like it.

    It is left to the reader of YAML, too, if it is nested very deeply or gives a field twice.
    """
    decoder, found, at = json.JSONDecoder(object_pairs_hook=_given_once, parse_constant=_no_json), [], 0
    while at < len(text) and (rest := text[at:].lstrip()):
        try:
            value, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return None
        found.append(value)
        at = len(text) - len(rest) + end
    return found


def _given_once(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(fields)
    if len(found) < len(fields):
        raise ValueError("a field is given twice")
    return found


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")
