"""Which answers of an image its containers were asked for; a mistyped key answers nothing, and is told at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ctrlkit.fakes.cluster.node.images.declarations import Image
from ctrlkit.fakes.cluster.node.runtime import Exec, HttpGet, ProbeAction

_SHOWN_MAX = 5


@dataclass(slots=True)
class Answers:
    """The answers of one field, by key: which were asked for, and what was asked that none fits."""

    keys: frozenset[str | int]
    met: set[str | int] = field(default_factory=set)
    missed: dict[str | int, None] = field(default_factory=dict)

    def note(self, asked: Iterable[str | int]) -> None:
        """Note what may be declared for a probe or a command that is asked, the most exact first."""
        every = tuple(asked)
        fitting = self.keys.intersection(every)
        self.met |= fitting
        if not fitting and every:
            self.missed[every[0]] = None


class Usage:
    """What the containers of an image were asked for."""

    def __init__(self, name: str, image: Image) -> None:
        self.name: str = name
        self.image: Image = image
        self.probes: Answers = _answers(image.probes)
        self.execs: Answers = _answers(image.execs)

    def note_probe(self, action: ProbeAction) -> None:
        """Note a probe that its containers are asked, or will be."""
        keys = probe_keys(action)
        if isinstance(action, Exec):
            self.note_command(action.command)
            if self.probes.keys.isdisjoint(keys) and (self.image.execs is not None or self.image.shell):
                return  # the command itself says
        self.probes.note(keys)

    def note_command(self, command: tuple[str, ...]) -> None:
        """Note a command that is run in one of its containers, or will be."""
        self.execs.note(command_keys(command))

    def unasked(self, *, may_be_unused: bool) -> Iterator[str]:
        """
        Yield a sentence for each field with keys that nothing asked for.

        Of what `may_be_unused` only those count beside which something was asked that no key fits.
        """
        for name, what, answers in (("probes", "probe", self.probes), ("execs", "command", self.execs)):
            unmet = sorted(map(repr, answers.keys - answers.met))
            if unmet and (answers.missed or not may_be_unused):
                others = ", ".join(map(repr, [*answers.met, *answers.missed][:_SHOWN_MAX])) or "none"
                yield f"no {what} asked {self.name} for {', '.join(unmet)}, but for {others}; mend the keys of {name}"


def _answers(declared: object) -> Answers:
    return Answers(frozenset(declared) if isinstance(declared, Mapping) else frozenset())


def probe_keys(action: ProbeAction) -> tuple[str | int, ...]:
    """Return what answers to a probe may be declared for, the most exact first."""
    match action:
        case Exec(command):
            return " ".join(command), *command[:1]
        case HttpGet(port, path):
            return path, port
    return (action.port,)


def command_keys(command: tuple[str, ...]) -> Iterator[str]:
    """
    Yield what the answer to a command may be declared for: the whole, then the most words at its beginning.

    >>> list(command_keys(("/usr/bin/cli", "info")))
    ['/usr/bin/cli info', '/usr/bin/cli', 'cli info', 'cli']
    """
    for words in (command, (command[0].rpartition("/")[2], *command[1:])) if command else ():
        for count in range(len(words), 0, -1):
            yield " ".join(words[:count])
