"""
Where settings come from: flags, variables, a YAML file. Each value as it was written, with the place where it stands.

What a value means is not known here: all of them are text, lists of it, or a switch.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

VARIABLE_PREFIX: Final = "CTRLKIT_"
FILE_SETTING: Final = "settings"
"""The flag --settings and the variable CTRLKIT_SETTINGS name the file."""

_FLAGS_HELP: Final = """\
Each may also be set by its variable, or by its name (grace_s: 10) in the
YAML file of --settings. Flags come before variables, variables before the file.
"""
_FILE_HELP: Final = f"read what is not set otherwise from a YAML file [{VARIABLE_PREFIX}SETTINGS]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its name, what it takes in words, and what `--help` says of it; `default` is text too."""

    name: str
    type: Any
    is_switch: bool
    is_list: bool
    takes: str
    metavar: str
    help: str
    default: str

    @property
    def flag(self) -> str:
        """As on the command line."""
        return flag_of(self.name)

    @property
    def variable(self) -> str:
        """As in the environment."""
        return variable_of(self.name)


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was written, and where: `CTRLKIT_GRACE_S=abc`."""

    value: Any
    where: str


def flag_of(name: str) -> str:
    """
    The flag of a setting.

    >>> flag_of("grace_s"), variable_of("grace_s")
    ('--grace-s', 'CTRLKIT_GRACE_S')
    """
    return f"--{name.replace('_', '-')}"


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"{VARIABLE_PREFIX}{name.upper()}"


# ---- flags -----------------------------------------------------------------------------------------------------------


def add_flags(parser: argparse.ArgumentParser, known: Iterable[Setting]) -> None:
    """Give a parser a flag for each setting, and --settings."""
    group = parser.add_argument_group("settings", _FLAGS_HELP)
    group.add_argument(flag_of(FILE_SETTING), metavar="FILE", help=_FILE_HELP)
    for setting in known:
        default = f"; {setting.default}" if setting.default else ""
        text = f"{setting.help} [{setting.variable}{default}]".replace("%", "%%")
        if setting.is_switch:
            group.add_argument(setting.flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(setting.flag, metavar=setting.metavar, help=text)


def parse(arguments: Sequence[str] | None, known: Mapping[str, Setting]) -> argparse.Namespace:
    """Read a command line that has our flags alone; ValueError for any other."""
    parser = argparse.ArgumentParser(prog=_program(), allow_abbrev=False, exit_on_error=False)
    add_flags(parser, known.values())
    try:
        namespace, strange = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ValueError(f"{error.argument_name}: {error.message}; {_program()} --help lists the flags") from None
    if strange:
        what = strange[0].partition("=")[0]
        near = _near(what, [FILE_SETTING, *known], flag_of)
        raise ValueError(f"{what}: there is no such flag{near}; {_program()} --help lists them")
    return namespace


def from_arguments(namespace: argparse.Namespace, known: Iterable[str]) -> dict[str, Given]:
    """What a command line sets."""
    values = {name: value for name in known if (value := getattr(namespace, name, None)) not in (None, "")}
    return {name: Given(value, _as_flag(name, value)) for name, value in values.items()}


def _as_flag(name: str, value: object) -> str:
    match value:
        case True:
            return flag_of(name)
        case False:
            return flag_of(f"no_{name}")
    return f"{flag_of(name)} {value}"


# ---- variables -------------------------------------------------------------------------------------------------------


def from_environment(environ: Mapping[str, str], known: Iterable[str]) -> dict[str, Given]:
    """What variables set; others of the same prefix are left alone."""
    found = {name: value for name in known if (value := environ.get(variable_of(name), ""))}
    return {name: Given(text, f"{variable_of(name)}={text}") for name, text in found.items()}


def unknown_variables(environ: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """
    The variables of our prefix that set nothing, each with the one that may have been meant, or "".

    >>> unknown_variables({"CTRLKIT_GRACES": "5", "CTRLKIT_GRACE_S": "5", "HOME": "/"}, ["grace_s", "retry_s"])
    {'CTRLKIT_GRACES': 'CTRLKIT_GRACE_S'}

    Those that Kubernetes makes for a Service named `ctrlkit`, or `ctrlkit-` and something, are not among them.
    """
    names = [variable_of(name) for name in (FILE_SETTING, *known)]
    services = [name.removesuffix("_SERVICE_HOST") for name in environ if name.endswith("_SERVICE_HOST")]
    unknown = [
        name
        for name in sorted(environ)
        if name.startswith(VARIABLE_PREFIX)
        and name not in names
        and not any(re.fullmatch(rf"{re.escape(service)}_(SERVICE_.+|PORT(_.+)?)", name) for service in services)
    ]
    meant = {name.removeprefix(VARIABLE_PREFIX): name for name in names}
    near = {name: difflib.get_close_matches(name.removeprefix(VARIABLE_PREFIX), meant, n=1) for name in unknown}
    return {name: meant[found[0]] if found else "" for name, found in near.items()}


# ---- the file --------------------------------------------------------------------------------------------------------


def from_file(
    namespace: argparse.Namespace, environ: Mapping[str, str], fallback: str, known: Iterable[str]
) -> dict[str, Given]:
    """What the file sets, where one is named; ValueError for one that cannot be used."""
    by_flag: str = getattr(namespace, FILE_SETTING, None) or ""
    by_variable = environ.get(variable_of(FILE_SETTING), "")
    path = by_flag or by_variable or fallback
    if not path:
        return {}
    named_by = f"{flag_of(FILE_SETTING)} {path}" if by_flag else f"{variable_of(FILE_SETTING)}={path}"
    where = path if not (by_flag or by_variable) else named_by
    content = _read(path, where)
    names = list(known)
    for key in content:
        if key not in names:
            raise ValueError(f"{path}: {key}: there is no such setting{_near(key, names, str)}")
    set_there = {name: value for name, value in content.items() if value != ""}
    return {name: Given(value, f"{path}: {name}: {_shown(value)}") for name, value in set_there.items()}


def _read(path: str, where: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - who has no file does not pay for it

    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
        content = yaml.load(text, Loader=yaml.BaseLoader)  # all scalars are text: `off` is no boolean, and 1.0 is kept
    except (OSError, UnicodeDecodeError) as error:
        fact = getattr(error, "strerror", None) or "it is not text"
        raise ValueError(f"{where}: cannot be read: {fact}; name a YAML file of settings") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"{where}: is no YAML{line}; write one setting a line, such as grace_s: 10") from None
    if content in (None, ""):
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{where}: has no settings by name; write one a line, such as grace_s: 10")
    return content


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else "a list" if isinstance(value, list) else "a mapping"


# ---- what they share -------------------------------------------------------------------------------------------------


def _near(wrong: str, names: Iterable[str], written: Any) -> str:
    known = {written(name).lstrip("-"): written(name) for name in names}  # dashes make no two flags alike
    near = difflib.get_close_matches(wrong.lstrip("-"), known, n=1)
    return f"; did you mean {known[near[0]]}?" if near else ""


def _program() -> str:
    return Path(sys.argv[0]).name or "ctrlkit"
