"""
Declarations of images in a file: a mapping of names to what `Image(...)` takes, in YAML or JSON.

    web:2: {pull: {error: not found}}
    web:
      ready_after_s: 20
      probes: {/healthz: [true, true, false, ...]}
      logs: [starting, {text: ready, after_s: 20}]
    report: {exits: {1: {code: 1}, 2: {oom: true, after_s: 30}}}
    echo:
      entry: /bin/echo
      programs: {/bin/echo: {argv: [/bin/echo], commands: {hello: "[a-z]*"}}}

Times are seconds, or `never`. What Python alone can say, functions, is not to be had here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ctrlkit.errors import ConfigError
from ctrlkit.fakes.cluster.node.images.catalog import Catalog
from ctrlkit.fakes.cluster.node.images.declarations import NEVER_S, SECONDS_MAX, CommandAnswer, Exits, Image, Line, Pull
from ctrlkit.fakes.cluster.node.images.programs import Program
from ctrlkit.fakes.cluster.node.images.values import (
    Misread,
    Read,
    displayed,
    flag,
    misread,
    number,
    probe_answer,
    several,
    text,
)
from ctrlkit.fakes.manifests import read_documents


def read_images(path: str | os.PathLike[str]) -> Catalog:
    """
    Read the declarations of images in a file.

    Errors  ConfigError, which names the file, the image and the field, says what is wrong and what to write.
    """
    path = Path(path)
    images = Catalog()
    documents = list(read_documents(path, what="images"))
    if not any(documents):
        raise ConfigError(f"read the images {path}: there is none in it; write a mapping of names to declarations")
    for document in documents:
        if not isinstance(document, dict):
            fact = f"it is {displayed(document)}"
            raise ConfigError(f"read the images {path}: {fact}; write a mapping of names to declarations")
        for name, given in document.items():
            what = f"read the images {path}: image {name}"
            try:
                images[str(name)] = _image(given, "")
            except Misread as wrong:
                field = f", field {wrong.where}" if wrong.where else ""
                raise ConfigError(f"{what}{field}: {wrong.fact}; {wrong.instead}") from None
            except ValueError as error:
                raise ConfigError(f"{what}: {error}") from None
    return images


# ---- plain values ----------------------------------------------------------------------------------------------------


def _count(value: Any, where: str) -> int:
    if number(value, where) >= 0:
        return int(value)
    raise misread(value, where, "write 0 or more")


def _port(value: Any, where: str) -> int:
    if 0 < number(value, where) < 65536:
        return int(value)
    raise misread(value, where, "write a port, from 1 to 65535")


def _seconds(value: Any, where: str) -> float:
    if value == "never":
        return NEVER_S
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (0 <= value <= SECONDS_MAX or value == NEVER_S):
        return float(value)
    raise misread(value, where, f"write a number of seconds, from 0 to {SECONDS_MAX:.0f}, or never")


# ---- several values --------------------------------------------------------------------------------------------------


def _by_name(read: Read) -> Read:
    """Read a mapping whose keys are texts."""

    def by_name(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise misread(value, where, "write a mapping")
        return {str(key): read(item, f"{where}.{key}") for key, item in value.items()}

    return by_name


def _object(make: Callable[..., Any], fields: Mapping[str, Read]) -> Read:
    """Read a mapping whose keys are fields."""

    def of_fields(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise misread(value, where, f"write a mapping, with some of {', '.join(fields)}")
        given = {}
        for name, item in value.items():
            path = f"{where}.{name}" if where else str(name)
            if name not in fields:
                raise Misread(path, "there is no such field", f"those are: {', '.join(fields)}")
            given[name] = fields[name](item, path)
        try:
            return make(**given)
        except TypeError:
            raise Misread(where, f"it has {', '.join(given) or 'nothing'} alone", "say the others too") from None

    return of_fields


# ---- declarations ----------------------------------------------------------------------------------------------------


def _made_exits(*, oom: bool = False, signal: int = 0, code: int = 0, **more: Any) -> Exits:
    if oom and (code or signal or more.keys() - {"after_s"}):
        raise ValueError("declare an image: oom says code, signal and reason; say after_s beside it alone")
    if code and signal and code != 128 + signal:
        raise ValueError(
            f"declare an image: signal {signal} ends it with code {128 + signal}, not {code}; say one of them"
        )
    if oom:
        return Exits.oom(after_s=more.get("after_s", 0.0))
    return Exits(code or (128 + signal if signal else 0), signal=signal, **more)


_EXITS_FIELDS: Mapping[str, Read] = {
    "code": _count,
    "after_s": _seconds,
    "signal": _count,
    "oom": flag,
    "reason": text,
    "message": text,
}
_one_exit = _object(_made_exits, _EXITS_FIELDS)


def _exits(value: Any, where: str) -> Exits | dict[int, Exits]:
    """Read how a container ends: always, or by the number of its start."""
    if isinstance(value, dict) and value and all(str(key).isdecimal() for key in value):
        return {int(key): _one_exit(item, f"{where}.{key}") for key, item in value.items()}
    one: Exits = _one_exit(value, where)
    return one


def _probe_answers(value: Any, where: str) -> Any:
    if not isinstance(value, list):
        return probe_answer(value, where)
    return [
        ... if item == "..." and i == len(value) - 1 else probe_answer(item, f"{where}[{i}]")
        for i, item in enumerate(value)
    ]


def _probes(value: Any, where: str) -> Any:
    """Read answers to all probes, or by path, port or command."""
    if not isinstance(value, dict):
        return _probe_answers(value, where)
    return {
        int(key) if str(key).removeprefix("-").isdecimal() else str(key): _probe_answers(item, f"{where}.{key}")
        for key, item in value.items()
    }


_line = _object(Line, {"text": text, "after_s": _seconds, "every_s": _seconds})
_answer = _object(CommandAnswer, {"output": text, "error": text, "exit_code": _count, "takes_s": _seconds})


def _exec_answer(value: Any, where: str) -> str | int | CommandAnswer:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    answer: CommandAnswer = _answer(value, where)
    return answer


_image = _object(
    Image,
    {
        "pull": _object(
            Pull,
            {
                "takes_s": _seconds,
                "error": text,
                "failures": _count,
                "preloaded": flag,
                "size_bytes": _count,
            },
        ),
        "refuses": text,
        "ports": several(_port),
        "ready_after_s": _seconds,
        "probes": _probes,
        "logs": several(lambda value, where: value if isinstance(value, str) else _line(value, where)),
        "exits": _exits,
        "stops": _one_exit,
        "execs": _by_name(_exec_answer),
        "shell": flag,
        "command": several(text),
        "pages": _by_name(text),
        "access_log": text,
        "programs": _by_name(
            _object(
                Program,
                {
                    "argv": several(text),
                    "own": several(text),
                    "flags": _by_name(text),
                    "paths": _by_name(text),
                    "commands": _by_name(text),
                },
            )
        ),
        "entry": text,
        "settings": _by_name(text),
        "files": _by_name(text),
        "folders": several(text),
        "mounts": _by_name(text),
        "environment": _by_name(text),
    },
)
