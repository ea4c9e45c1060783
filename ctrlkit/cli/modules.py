"""Modules and files that a command is told by name: modules of the current directory too, as with `python -m`."""

from __future__ import annotations

import dis
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ctrlkit.cli import meant
from ctrlkit.errors import ConfigError
from ctrlkit.exits import BAD_ARGUMENTS


class TargetError(ConfigError):
    """What is named on the command line is of the wrong form, or not there."""

    exit_status = BAD_ARGUMENTS


def is_file(name: str) -> bool:
    """
    Whether a target is a path, and not a module's name.

    >>> is_file("greeting.py"), is_file("./greeting"), is_file("shop.caches")
    (True, True, False)
    """
    return os.sep in name or name.startswith(".") or name.endswith(".py")


def import_named(name: str, *, tried: str) -> Any:
    """
    Import a module, `shop.caches`, or a file, `shop/caches.py`; `tried` begins messages, such as `run greeting:greet`.

    A file in a package is the package's module; another one is what `python FILE.py` would run, under its own name.

    Errors  TargetError for a module or a file that is not there; ConfigError for one that imports what is not there or
            is no Python, for a file whose imports need a package around it, and for what ctrlkit refuses while the
            module is imported, such as a decorator's argument. What else goes wrong inside the module passes.
    """
    if not name:
        raise TargetError(f"{tried}: no module is named; write its name, or its file, such as greeting.py")
    try:
        return _import_file(name, tried) if is_file(name) else _import_module(name, tried)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{tried}: {name} was found, and imports what is not there: {error}") from error
    except SyntaxError as error:
        where = f"{os.path.relpath(error.filename or name)}, line {error.lineno}"
        raise ConfigError(f"{tried}: {where}: {error.msg}; correct it [{(error.text or '').strip()[:80]}]") from None
    except Exception as error:
        place = _refused_at(error)
        if place is None:
            raise
        raise ConfigError(f"{tried}: {place}: {' '.join(str(error).split())}") from error


def _refused_at(error: Exception) -> str | None:
    """The last line of the caller's own code where it is ctrlkit that raised an error; None for any other error."""
    frames = [
        each for each in _frames(error) if not each.tb_frame.f_globals.get("__name__", "").startswith("importlib")
    ]
    own = [each for each in frames if not _is_ours(each.tb_frame.f_globals.get("__name__"))]
    if not own or not (_is_raised_by_us(frames[-1]) or _is_wrong_call(own[-1], error)):
        return None
    return f"{os.path.relpath(own[-1].tb_frame.f_code.co_filename)}, line {own[-1].tb_lineno}"


def _frames(error: Exception) -> Iterator[TracebackType]:
    """From the import of the module to what was raised."""
    here = error.__traceback__
    while here is not None:
        if here.tb_frame.f_globals.get("__name__") != __name__:
            yield here
        here = here.tb_next


def _is_ours(name: object) -> bool:
    return str(name).partition(".")[0] == "ctrlkit"


def _is_raised_by_us(last: TracebackType) -> bool:
    """Whether a `raise` of ours is the origin, and no mistake of ours."""
    does = last.tb_frame.f_code.co_code[last.tb_lasti]
    return _is_ours(last.tb_frame.f_globals.get("__name__")) and does == dis.opmap["RAISE_VARARGS"]


def _is_wrong_call(last: TracebackType, error: Exception) -> bool:
    """Whether something of ours was called with arguments that it does not have, which Python refuses."""
    called = re.match(r"(\w+)(\.__init__)?\(\) ", str(error))
    meant = last.tb_frame.f_globals.get(called[1]) if called and last.tb_next is None else None
    return isinstance(error, TypeError) and _is_ours(getattr(meant, "__module__", ""))


def root_of(target: str) -> tuple[Path, str]:
    """
    Return the folder from which a target is imported, and its name there: the current one for what is no file.

    >>> root_of("greeting")[1]
    'greeting'
    """
    if not is_file(target):
        return Path.cwd(), target
    path = Path(target).resolve()
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _import_module(name: str, tried: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise TargetError(
            f"{tried}: there is no module {error.name} in {here} or among the installed packages; name it with dots "
            "for folders, or its file, with .py"
        ) from None


def _import_file(name: str, tried: str) -> Any:
    path = Path(name)
    if not path.is_file():
        raise TargetError(f"{tried}: {_not_there(path)}")
    root, module = root_of(name)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    if "." in module or path.name == "__init__.py":
        return importlib.import_module(module)
    there = next((each for each in tuple(sys.modules.values()) if _is_of(each, path.resolve())), None)
    return there or _run_file(path, _free_name(module), tried)


def _is_of(module: ModuleType, path: Path) -> bool:
    spec = getattr(module, "__spec__", None)
    return spec is not None and spec.origin == str(path)


def _run_file(path: Path, name: str, tried: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise TargetError(f"{tried}: {path} is no Python source; name a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        del sys.modules[name]
        if "no known parent package" not in str(error):
            raise
        folder = path.resolve().parent
        raise ConfigError(
            f"{tried}: {path} imports from a package around it (from . import ...), and {folder} has no __init__.py "
            f"that makes it one; add that file, or name the module in the folder above: {folder.name}.{path.stem}"
        ) from None
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _free_name(stem: str) -> str:
    """
    A module's name for a file, which takes nobody else's place: `operator` is the standard library's.

    >>> _free_name("operator"), _free_name("my-cache"), _free_name("greeting")
    ('operator_py', 'my_cache', 'greeting')
    """
    name = re.sub(r"\W", "_", stem)
    return f"{name}_py" if name in sys.stdlib_module_names or name in sys.modules else name


def _not_there(path: Path) -> str:
    if path.is_dir():
        where = "." if path == Path() else str(path)
        return f"{where} is a folder; name a file in it, such as {path / 'operator.py'}, or a package by its name"
    known = [each.stem for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
    near = meant(path.stem, known, before="" if path.parent == Path() else f"{path.parent}{os.sep}", after=".py")
    return f"there is no file {path}{near or '; name one that is there, or a module by its name'}"
