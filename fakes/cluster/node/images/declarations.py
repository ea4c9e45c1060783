"""
What an image is: a program of this machine, or what its containers do in this process, without one.

    world.images["web:2"] = Image(pull=Pull(error="not found"))
    world.images["web"] = Image(probes=[True, False, ...])
    world.images["report"] = Image(exits=Exits(3, after_s=60))

All times are in seconds. `catalog.py` finds the declaration of a container's image, `scripted.py` beside this package
plays it.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import EllipsisType
from typing import Any

from ctrlkit.fakes.cluster.node.images.programs import Place, Program, listed, refused, shown
from ctrlkit.fakes.cluster.node.images.values import (
    Read,
    by_name,
    check_fields,
    flag,
    function,
    misread,
    number,
    one_of,
    optional,
    probe_answer,
    seconds,
    several,
    text,
)
from ctrlkit.fakes.cluster.node.programs import InProcessProgram
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused, ContainerSpec, ProbeAction, ProbeResult
from ctrlkit.fakes.files import write_private

NEVER_S = math.inf
"""So long that it never comes."""

SECONDS_MAX = 1e9
"""The longest time that comes, some thirty years: no clock of a cluster goes much further."""

REPEATS_MIN_S = 0.001
_COUNT_MAX = 2**31 - 1
_BYTES_MAX = 2**63 - 1
"""What the fields of a pod's status and of a node's images hold."""


def _require(what: str, value: object, want: str, *, holds: bool) -> None:
    """Refuse a value that can mean nothing."""
    if not holds:
        raise ValueError(f"declare an image: {what} is {value!r}; write {want}")


def _require_seconds(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        want = f"0 seconds or more, up to {SECONDS_MAX:.0f}, or NEVER_S"
        _require(name, value, want, holds=0 <= value <= SECONDS_MAX or value == NEVER_S)


def _require_exit_code(what: str, value: int) -> None:
    _require(what, value, "an exit code, from 0 to 255", holds=0 <= value <= 255)


def _require_port(what: str, value: int) -> None:
    _require(what, value, "a number from 1 to 65535", holds=0 < value < 65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """
    How an image is pulled: at once, unless this says otherwise.

    >>> Pull(error="not found").fails(7), Pull(failures=2).fails(2), Pull(failures=2).fails(3)
    (True, True, False)

    Shape   `takes_s` is how long each pull takes. `error` is what the container runtime says of a failed one; by
            default that the image is not found. `failures` is how many pulls fail before one succeeds; None for all of
            them, if there is an `error`. A `preloaded` image is on every node from the start, and never pulled unless
            a pod's imagePullPolicy is Always. `size_bytes` is what Events tell; by default one that hangs on the name.
    """

    takes_s: float = 0.0
    error: str = ""
    failures: int | None = None
    preloaded: bool = False
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        """Check what it says."""
        check_fields(
            self,
            {
                "takes_s": seconds,
                "error": text,
                "failures": optional(number),
                "preloaded": flag,
                "size_bytes": optional(number),
            },
        )
        _require_seconds(self, "takes_s")
        is_count = self.failures is None or 0 <= self.failures <= _COUNT_MAX
        _require("failures", self.failures, "how many pulls fail", holds=is_count)
        is_size = self.size_bytes is None or 0 <= self.size_bytes <= _BYTES_MAX
        _require("size_bytes", self.size_bytes, "a size, below 2**63", holds=is_size)

    def fails(self, number: int) -> bool:
        """Whether the pull of this number, from 1, fails."""
        return bool(self.error) if self.failures is None else number <= self.failures


@dataclass(frozen=True, slots=True)
class Exits:
    """
    How a container ends: with an exit code, after a time.

    >>> Exits(3, after_s=60), Exits.by_signal(signal.SIGSEGV).return_code, Exits.oom().reason
    (Exits(code=3, after_s=60, signal=0, reason='', message=''), -11, 'OOMKilled')

    Shape   `message` is its termination message.
    """

    code: int = 0
    after_s: float = field(default=0.0, kw_only=True)
    signal: int = field(default=0, kw_only=True)
    reason: str = field(default="", kw_only=True)
    message: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check what it says."""
        check_fields(self, {"code": number, "after_s": seconds, "signal": number, "reason": text, "message": text})
        _require_seconds(self, "after_s")
        _require("signal", self.signal, "a signal, as signal.SIGSEGV", holds=0 <= self.signal <= 64)
        _require_exit_code("code", self.code)

    @classmethod
    def by_signal(cls, number: int, *, after_s: float = 0.0) -> Exits:
        """By a signal, as `signal.SIGSEGV`."""
        return cls(128 + number, after_s=after_s, signal=int(number))

    @classmethod
    def oom(cls, *, after_s: float = 0.0) -> Exits:
        """Because it used more memory than its limit: exit code 137, reason OOMKilled."""
        return cls(128 + signal.SIGKILL, after_s=after_s, signal=signal.SIGKILL, reason="OOMKilled")

    @property
    def return_code(self) -> int:
        """Its exit code, or the signal as a negative number."""
        return -self.signal or self.code


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a container's log, so long after its start, and again and again with `every_s`."""

    text: str
    after_s: float = field(default=0.0, kw_only=True)
    every_s: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        """Check what it says."""
        check_fields(self, {"text": text, "after_s": seconds, "every_s": seconds})
        _require_seconds(self, "after_s", "every_s")
        is_slow = self.every_s == 0 or self.every_s >= REPEATS_MIN_S
        _require("every_s", self.every_s, f"0 for once, or {REPEATS_MIN_S} seconds or more", holds=is_slow)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What a command in a container writes, how it ends, and how long it takes."""

    output: str = ""
    error: str = ""
    exit_code: int = 0
    takes_s: float = 0.0

    def __post_init__(self) -> None:
        """Check what it says."""
        check_fields(self, {"output": text, "error": text, "exit_code": number, "takes_s": seconds})
        _require_seconds(self, "takes_s")
        _require_exit_code("exit_code", self.exit_code)


ProbeAnswer = bool | int | str
"""
Whether a probe passes; an HTTP status, or a command's exit code; or what a failed probe says.
"""

ProbeAnswers = (
    ProbeAnswer
    | Sequence[ProbeAnswer | EllipsisType]
    | Callable[[ProbeAction], ProbeAnswer | ProbeResult | Awaitable[ProbeAnswer | ProbeResult]]
)
"""
Answers one after another, of which the last stays; with `...` behind it they begin again: `[True, True, False, ...]`.
"""

ExecAnswer = str | int | CommandAnswer
"""What a command writes to stdout, its exit code, or all of it."""

ExecAnswers = Mapping[str, ExecAnswer] | Callable[[tuple[str, ...]], ExecAnswer | Awaitable[ExecAnswer]]
"""Answers by command, or by the words that it begins with: `{"bitcoin-cli getpeerinfo": "[]", "bitcoin-cli": 1}`."""

InProcessProgramFactory = Callable[[str, ContainerSpec], "InProcessProgram | Image | Exits"]
"""
Makes the program of a container from the pod's address and the container's spec, or says what it does or how it ends.
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a program gets of a file that a pod mounts: a file called `name`, with what `translate` makes of the content.

    Errors  ContainerRefused from `translate` for what no pod may say here.
    """

    name: str
    translate: Callable[[str, Place], str]

    def __post_init__(self) -> None:
        """Check what it says."""
        check_fields(self, {"name": text, "translate": function})


_FOR_PROCESSES = ("entry", "settings", "files", "folders", "mounts", "readings", "environment")
_FOR_SCRIPTS = ("ready_after_s", "probes", "logs", "exits", "stops", "execs", "shell", "command", "access_log")


_exits = one_of(Exits, "Exits(...), as Exits(1, after_s=60)")
_command_answer = one_of((str, int, CommandAnswer), "what it writes, an exit code, or CommandAnswer(...)")


def _read_exits(value: Any, where: str) -> None:
    """Read how a container ends: always, or by the number of its start."""
    if not isinstance(value, Mapping):
        _exits(value, where)
        return
    for start, one in value.items():
        number(start, "the start at which it exits")
        _exits(one, f"{where}[{start}]")


def _read_execs(value: Any, where: str) -> None:
    """Read answers to commands, or what gives them."""
    if not callable(value):
        by_name(_command_answer)(value, where)


def _read_probe_answers(value: Any, where: str) -> None:
    """Read answers one after another, or what gives them."""
    if callable(value):
        return
    if isinstance(value, Sequence) and not isinstance(value, str):
        several(lambda one, place: one if one is ... else probe_answer(one, place))(value, where)
        return
    probe_answer(value, where)


def _read_probes(value: Any, where: str) -> None:
    """Read answers to all probes, or by what they ask."""
    if not isinstance(value, Mapping):
        _read_probe_answers(value, where)
        return
    for asked, answers in value.items():
        if not isinstance(asked, str | int) or isinstance(asked, bool):
            raise misread(asked, f"a key of {where}", "write a path, a port, or the text of a command")
        _read_probe_answers(answers, f"{where}[{asked!r}]")


def _check_programs(programs: Mapping[str, Program], entry: str) -> None:
    """Refuse a program without a command line, and an entry that is none of them."""
    for path, program in programs.items():
        _require(f"argv of {path}", program.argv, "what starts it on this machine", holds=bool(program.argv))
    known = {*programs, *(path.rpartition("/")[2] for path in programs)}
    _require("entry", entry, f"one of {', '.join(programs)}", holds=not (entry and programs) or entry in known)


def _check_probes(probes: ProbeAnswers | Mapping[str | int, ProbeAnswers]) -> None:
    """Refuse answers, and ports that are asked, that can mean nothing."""
    for asked in probes if isinstance(probes, Mapping) else ():
        if isinstance(asked, int):
            _require_port("a port that is probed", asked)
    for answers in probes.values() if isinstance(probes, Mapping) else [probes]:
        each: Sequence[object] = [answers]
        if isinstance(answers, Sequence) and not isinstance(answers, str):
            each = answers
            is_good = any(one is not ... for one in each) and ... not in each[:-1]
            _require("probes", answers, "answers, and `...` at most behind them", holds=is_good)
        for one in each:
            if isinstance(one, int):
                want = "a status or an exit code, from 0 to 999"
                _require("an answer to a probe", one, want, holds=0 <= one <= 999)


_texts, _texts_by_name = several(text), by_name(text)
_FIELDS: Mapping[str, Read] = {
    "pull": one_of(Pull, "Pull(...), as Pull(error='not found')"),
    "refuses": text,
    "ports": several(number),
    "ready_after_s": seconds,
    "probes": _read_probes,
    "logs": several(one_of((str, Line), "a text, or Line(...)")),
    "exits": optional(_read_exits),
    "stops": optional(_exits),
    "execs": optional(_read_execs),
    "shell": flag,
    "command": _texts,
    "pages": _texts_by_name,
    "access_log": text,
    "make": optional(function),
    "programs": optional(by_name(one_of(Program, "Program(...)"))),
    "entry": text,
    "settings": _texts_by_name,
    "files": _texts_by_name,
    "folders": _texts,
    "mounts": _texts_by_name,
    "readings": by_name(one_of(Reading, "Reading(...)")),
    "environment": _texts_by_name,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """
    An image: what its containers run, and how it is pulled.

    >>> Image(exits={1: Exits(1), 2: Exits(1)}).exits_at(3) is None
    True

    Without anything said, a container runs until it is stopped, is ready at once and passes every probe; if its command
    is a small script of the shell in `shell/`, it does what that says.

    Pulls   `pull` says how it is pulled. `refuses` is why its containers cannot be started: RunContainerError.
    Script  `ready_after_s` is when probes begin to pass. `probes` are the answers to them, for all or by what they ask:
            a path (`/healthz`), a port, the text of a command. `ports` are those that it listens on, by default all;
            probes of others find the connection refused. `logs` are the lines of its log. `exits` says how it ends by
            itself, always or by the number of the start, from 1. `stops` says how it ends when it is asked to; after
            NEVER_S it has to be killed. `execs` are the answers to commands. With `shell` there are a shell and its
            small commands in the image, as in busybox; `command` is what its containers run where a pod names
            nothing. `pages` are bodies by path, which it serves by HTTP at its `ports` to `kubectl port-forward`;
            `access_log` is the file for its requests, where that is in a volume, otherwise they are in its log.
    Own     `make` is a function that makes the program, from the pod's address and the container's spec.
    Process `programs` maps paths in the image to programs of this machine; `entry` is the path of the default one.
            `settings` maps the environment variables that are used to their defaults. `files` are written into the
            container's folder, for their owner only, with `{NAME}` replaced by settings; `folders` are created there.
            `mounts` maps paths in the image to the names of folders that stand for them: the volume of a pod that is
            mounted at such a path, or above it, takes the folder's place. `readings` maps paths of files in volumes,
            in which settings are replaced too, to what is made of them in the container's folder, at each start.
            `ports` are those that it listens on at the pod's address. `environment` are additional variables of its
            processes.
    Errors  ValueError for fields that do not go together. ContainerRefused from its methods, with the kubelet's reason.
    """

    pull: Pull = field(default_factory=Pull)
    refuses: str = ""
    ports: tuple[int, ...] = ()
    ready_after_s: float = 0.0
    probes: ProbeAnswers | Mapping[str | int, ProbeAnswers] = True
    logs: Sequence[str | Line] = ()
    exits: Exits | Mapping[int, Exits] | None = None
    stops: Exits | None = None
    execs: ExecAnswers | None = None
    shell: bool = False
    command: tuple[str, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    access_log: str = ""
    make: InProcessProgramFactory | None = None
    programs: Mapping[str, Program] | None = None
    entry: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what its fields say, and that they go together."""
        check_fields(self, _FIELDS)
        _require_seconds(self, "ready_after_s")
        for port in self.ports:
            _require_port("one of the ports", port)
        for start in self.exits if isinstance(self.exits, Mapping) else ():
            is_start = 1 <= start <= _COUNT_MAX
            _require("the start at which it exits", start, "the number of one, from 1", holds=is_start)
        for answer in self.execs.values() if isinstance(self.execs, Mapping) else ():
            if isinstance(answer, int):
                _require_exit_code("the answer to a command", answer)
        for path in self.pages:
            _require("a page's path", path, "one that begins with /", holds=path.startswith("/"))
        _check_probes(self.probes)
        _check_programs(self.programs or {}, self.entry)
        defaults = {one.name: one.default for one in fields(self)}
        given = {name for name in (*_FOR_SCRIPTS, "make") if getattr(self, name) != defaults[name]}
        given |= {"pages"} if self.pages else set()
        needless = given if self.programs is not None else {name for name in _FOR_PROCESSES if getattr(self, name)}
        if self.programs is None and self.make is not None:
            needless |= given - {"make"}
        if needless:
            ways = "programs of this machine, a program that `make` makes, or a script of what its containers do"
            raise ValueError(f"declare an image: {', '.join(sorted(needless))} cannot be said here; choose {ways}")

    def exits_at(self, start: int) -> Exits | None:
        """Return how its container ends by itself after the start of this number, from 1; None if it does not."""
        return self.exits.get(start) if isinstance(self.exits, Mapping) else self.exits

    def settings_from(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Select the settings from a container's environment."""
        settings = {name: variables.get(name) or default for name, default in self.settings.items()}
        for name, value in settings.items():
            if "#" in value or not value.isprintable() or value != value.strip():
                raise ContainerRefused(
                    "CreateContainerConfigError",
                    f"{name} holds what a configuration file cannot carry (#, line breaks, blanks at its ends); "
                    "choose another",
                )
        return settings

    def command_line(self, command: Sequence[str], arguments: Sequence[str], place: Place) -> tuple[str, ...]:
        """Return the command line for a container's command, or the image's default, and its arguments."""
        path, *more = command or (self.entry,)
        return self._program(path).command_line((*more, *arguments), place)

    def prepare(self, place: Place, read: Callable[[str], bytes | None] = lambda _: None) -> None:
        """Write the files and create the folders of a container; `read` returns a file of its volumes, or None."""
        for name in self.folders:
            place.folder.joinpath(name).mkdir(exist_ok=True)
        for name, template in self.files.items():
            write_private(place.folder / name, template.format_map(place.settings))
        for path, reading in self.readings.items():
            content = read(path.format_map(place.settings))
            if content is not None:
                translated = reading.translate(content.decode(errors="replace"), place)
                write_private(place.folder / reading.name, translated)

    def _program(self, path: str) -> Program:
        programs = self.programs or {}
        for known, program in programs.items():
            if path == known or ("/" not in path and path == known.rpartition("/")[2]):
                return program
        raise refused(f"{shown(path)} is no program that a pod may run here; those are: {listed(programs)}")
