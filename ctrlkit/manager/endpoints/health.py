"""
Health checks: what is asked, and what is said of the answers (row M9). Pure: server.py puts it into HTTP.

A check is a function that says "" when all is well, and else why not. Whether the process should be restarted is asked
at /healthz, whether it is ready at /readyz.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class CheckKind(StrEnum):
    """Which question a check helps to answer."""

    HEALTHZ = "healthz"  # would a restart help?
    READYZ = "readyz"  # are the caches filled, and the controllers ready to work?


class Reasons(Enum):
    """Whether the one who asks may know why a check failed."""

    SHOWN = "shown"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The answer of one check. A note on a check that passed tells of something that is not as it should be, and not bad
    enough.
    """

    failed: bool
    note: str = ""


Check = Callable[[], Finding]

_PASSED = Finding(failed=False)


class Checks:
    """
    The named checks of one manager's own making; those of its parts are in own_checks.py.

    >>> checks = Checks()
    >>> checks.add("queue-service", lambda: "no answer for 20 s", kind=CheckKind.READYZ)
    >>> checks.of(CheckKind.READYZ)["queue-service"]()
    Finding(failed=True, note='no answer for 20 s')

    Errors  ValueError for a name that is taken, empty, or unfit for a path.
    """

    def __init__(self) -> None:
        self._checks: dict[CheckKind, dict[str, Check]] = {kind: {} for kind in CheckKind}

    def add(self, name: str, check: Callable[[], str], *, kind: CheckKind) -> None:
        """Ask `check` from now on: "" is fine, anything else says why not. It must return at once."""
        if not name or not name.isprintable() or any(sign in name for sign in "/?#% "):
            raise ValueError(f"add a check to {kind}: {name!r} cannot stand in a path; use letters, digits, - . and :")
        if name in self._checks[kind]:
            raise ValueError(f"add a check to {kind}: there is one named {name!r}; choose another name")
        self._checks[kind][name] = worded(check)

    def of(self, kind: CheckKind) -> Mapping[str, Check]:
        """The checks of one kind, by name, in the order in which they were added."""
        return self._checks[kind]


def worded(check: Callable[[], str]) -> Check:
    """A check of the form that users write; one that raises has failed."""

    def ask() -> Finding:
        try:
            why_not = check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer, and the others go on
            return Finding(failed=True, note=f"the check itself raised {error!r}")
        return Finding(failed=True, note=why_not) if why_not else _PASSED

    return ask


@dataclass(frozen=True, slots=True)
class Report:
    """What is answered: `failed` is status 500, else 200."""

    failed: bool
    text: str


def report(
    kind: CheckKind, checks: Mapping[str, Check], *, exclude: Collection[str], verbose: bool, reasons: Reasons
) -> Report:
    """
    The answer to /healthz or /readyz: `ok`, or a line for each check, always where one fails.

    >>> checks = {"ping": ping, "cache": worded(lambda: "not filled yet")}
    >>> print(report(CheckKind.READYZ, checks, exclude=(), verbose=False, reasons=Reasons.WITHHELD).text)
    [+]ping ok
    [-]cache failed: reason withheld
    readyz check failed
    """
    failed = False
    lines: list[str] = []
    for name, check in checks.items():
        if name in exclude:
            lines.append(f"[+]{name} excluded: ok")
            continue
        finding = check()
        failed = failed or finding.failed
        lines.append(_line(name, finding, reasons))
    unknown = sorted(set(exclude) - checks.keys())
    if unknown:
        lines.append(f"warn: some health checks cannot be excluded: no matches for {', '.join(map(repr, unknown))}")
    if failed:
        return Report(failed=True, text="\n".join([*lines, f"{kind} check failed"]))
    return Report(failed=False, text="\n".join([*lines, f"{kind} check passed"]) if verbose or unknown else "ok")


def single(check: Check, reasons: Reasons) -> Report:
    """The answer to /healthz/NAME: `ok`, or the reason."""
    finding = check()
    if not finding.failed:
        return Report(failed=False, text="ok")
    why = finding.note if reasons is Reasons.SHOWN else "reason withheld"
    return Report(failed=True, text=f"failed: {why}")


def ping() -> Finding:
    """That somebody answers at all."""
    return _PASSED


def _line(name: str, finding: Finding, reasons: Reasons) -> str:
    note = finding.note.replace("\n", " ") if reasons is Reasons.SHOWN else ""
    if finding.failed:
        return f"[-]{name} failed: {note or 'reason withheld'}"
    return f"[+]{name} ok" + (f" ({note})" if note else "")
