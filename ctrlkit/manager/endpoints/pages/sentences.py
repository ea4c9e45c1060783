"""
The headline in plain words: what is wrong and since when, who works, and what else is not as it should be.

In       The section `headline` of debug.picture(), or what debug_key.key_picture() says of a key.
Out      Sentences, the most important in front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ctrlkit.manager.endpoints.pages.words import clock_time, listed, many, number, spoken

Said = Mapping[str, Any]
_NAMES_MAX: Final = 3
"""Names in a sentence; the rest are counted."""


def sentences(said: Said, now: str) -> list[str]:
    """All that a headline says; the first one belongs to its state."""
    facts = {name: list(fact(said, now)) for name, fact in _FACTS.items()}
    first = _STATES[said["state"]].first
    if not first and not any(facts[name] for name in _FACTS if name != "leadership"):
        leads = said["leadership"]["leads"]
        if not leads:
            return [*facts["leadership"], "All is well here: its caches are up to date."]
        return ["All is well: no key fails, none waits for long, and every cache is up to date.", *facts["leadership"]]
    order = [*first, "leadership", *(name for name in facts if name not in (*first, "leadership"))]
    return [sentence for name in order for sentence in facts[name]]


def short(said: Said) -> str:
    """The state in two words or three, for a title."""
    return _STATES[said["state"]].short(said)


def mood_of(said: Said) -> str:
    """How bad a headline is: `bad`, `wait` or `good`."""
    return _STATES[said["state"]].mood


def mood_of_key(picture: Said) -> str:
    """The same of a key, which may run or wait while it fails."""
    return "bad" if picture["failing"] else _KEY[picture["key"]["state"]].mood


def _failing(said: Said, now: str) -> Iterator[str]:
    failing = said["failing"]
    if not failing["keys"]:
        return
    parts = [f"{each['keys']:,} of {each['controller']}" for each in failing["controllers"]]
    yield f"{_keys(failing, 'failing', now)}{f': {_some(parts)}' if len(parts) > 1 else ''}."


def _unreachable(said: Said, _now: str) -> Iterator[str]:
    for_s = said["unreachable"]["for_s"]
    if for_s is not None:
        yield f"The API server has not answered for {spoken(for_s)}."


def _waiting(said: Said, now: str) -> Iterator[str]:
    waiting = said["waiting"]
    if not waiting["keys"]:
        return
    reasons = [f"{each['reason'].rstrip('.')} ({each['keys']:,})" for each in waiting["reasons"]]
    why = _some(reasons, more=waiting["more_reasons"])
    yield f"{_keys(waiting, 'waiting for something else', now)}: {why}."


def _keys(of: Said, doing: str, now: str) -> str:
    """How many keys have been doing something, whose they are, and since when."""
    by = of["controllers"]
    whose = f" of {by[0]['controller']}" if len(by) == 1 else ""
    has, first = ("has", "") if of["keys"] == 1 else ("have", ", the first")
    return f"{many(of['keys'], 'key')}{whose} {has} been {doing}{first} {_lasting(of, now)}"


def _lasting(of: Said, now: str) -> str:
    return f"since {clock_time(of['since'], now)} ({spoken(of['since_s'])})"


def _stuck(said: Said, _now: str) -> Iterator[str]:
    count, rows = _count(said["stuck"]), said["stuck"]["rows"]
    if rows:
        first = rows[0]
        runs = f"{first['key']} of {first['controller']} has been running for {spoken(first['for_s'])}"
        runs += _at(first)
        yield f"1 reconcile is stuck: {runs}." if count == 1 else f"{count:,} reconciles are stuck; {runs}."
    for each in said["blocked"]["rows"]:
        worker = "The only worker" if each["workers"] == 1 else f"All {each['workers']:,} workers"
        held = f"{worker} of {each['controller']} {'is' if each['workers'] == 1 else 'are'} held by that"
        waiting = f"; {many(each['ready'], 'key')} {'waits' if each['ready'] == 1 else 'wait'} for one"
        yield f"{held}{waiting if each['ready'] else ''}."


def _at(of: Said) -> str:
    """Where a reconcile waits, if that is known."""
    return f", and waits at {of['at']}" if of.get("at") else ""


def _caches(said: Said, _now: str) -> Iterator[str]:
    """One sentence for those that have not filled, one for those that are behind."""
    rows = said["caches"]["rows"]
    empty, behind = [row for row in rows if not row["synced"]], [row for row in rows if row["synced"]]
    if empty:
        yield f"{_cache_names(empty)} {'has' if len(empty) == 1 else 'have'} not filled yet."
        yield from _why(empty)
    if behind:
        has = "has" if len(behind) == 1 else "have"
        yield f"{_cache_names(behind)} {has} been behind for {spoken(behind[0]['behind_s'] or 0)}."
        yield from _why(behind)
    if said["caches"]["more"]:
        yield f"So it is with {many(said['caches']['more'], 'more cache')}."


def _cache_names(rows: Sequence[Said]) -> str:
    names = [row["cache"] for row in rows]
    return f"The cache of {names[0]}" if len(names) == 1 else f"The caches of {_some(names)}"


def _why(rows: Sequence[Said]) -> Iterator[str]:
    """A sentence of its own: an error may be long, and a heading should not be."""
    error = next((row["error"] for row in rows if row["error"]), "")
    if error:
        yield f"The reason: {error.rstrip('.')}."


def _checks(said: Said, _now: str) -> Iterator[str]:
    """Without those that say of a cache what was said of it."""
    told = {f"informer:{row['cache']}" for row in said["caches"]["rows"]}
    rows = [row for row in said["checks"]["rows"] if row["check"] not in told]
    names = list(dict.fromkeys(f"{row['check']} ({row['note']})" if row["note"] else row["check"] for row in rows))
    if names:
        yield f"{many(len(names), 'check')} {'fails' if len(names) == 1 else 'fail'}: {_some(names)}."


def _quarantined(said: Said, _now: str) -> Iterator[str]:
    objects, caches = said["quarantined"]["objects"], said["quarantined"]["caches"]
    if objects:
        where = f"the cache{'' if len(caches) == 1 else 's'} of {_some(caches)}"
        yield f"{many(objects, 'object')} in {where} cannot be read, and {'is' if objects == 1 else 'are'} left alone."


def _leadership(said: Said, now: str) -> Iterator[str]:
    of = said["leadership"]
    yield _LEADERSHIP[of["way"]](of, now)
    if of["error"]:
        yield f"The last call for its leases failed: {of['error'].rstrip('.')}."


def _leads(of: Said, now: str) -> str:
    if of["leads"]:
        return f"This replica leads{_since(of['since'], now)}."
    if of["holder"]:
        return f"This replica stands by; {of['holder']} leads{_since(of['since'], now)}."
    return "This replica stands by, and nobody leads."


def _since(moment: str, now: str) -> str:
    return f", since {clock_time(moment, now)}" if moment else ""


def _shards(of: Said, _now: str) -> str:
    if not of["held"]:
        return f"This replica works on none of {many(of['shards'], 'shard')}."
    return f"This replica works on {of['held']:,} of {many(of['shards'], 'shard')}."


_LEADERSHIP: Final[Mapping[str, Callable[[Said, str], str]]] = {
    "alone": lambda _of, _now: "This replica works without leader election.",
    "lease": _leads,
    "shards": _shards,
}

_FACTS: Final[Mapping[str, Callable[[Said, str], Iterator[str]]]] = {
    "unreachable": _unreachable,
    "failing": _failing,
    "stuck": _stuck,
    "waiting": _waiting,
    "caches": _caches,
    "checks": _checks,
    "quarantined": _quarantined,
    "leadership": _leadership,
}


class _State(NamedTuple):
    """A state of a headline: its mood, its words for a title, and the facts that belong to it."""

    mood: str
    short: Callable[[Said], str]
    first: tuple[str, ...] = ()


_STATES: Final[Mapping[str, _State]] = {
    "unreachable": _State("bad", lambda _said: "No API server", ("unreachable",)),
    "failing": _State("bad", lambda said: f"{many(said['failing']['keys'], 'key')} failing", ("failing",)),
    "stuck": _State("bad", lambda said: f"{many(_count(said['stuck']), 'reconcile')} stuck", ("stuck",)),
    "starting": _State("wait", lambda _said: "Starting", ("caches",)),
    "unready": _State("bad", lambda _said: "Not ready", ("caches", "checks")),
    "waiting": _State("wait", lambda said: f"{many(said['waiting']['keys'], 'key')} waiting", ("waiting",)),
    "behind": _State("wait", lambda _said: "Caches behind", ("caches",)),
    "quarantined": _State(
        "wait", lambda said: f"{many(said['quarantined']['objects'], 'object')} unreadable", ("quarantined",)
    ),
    "standby": _State("good", lambda _said: "Standing by"),
    "well": _State("good", lambda _said: "All well"),
}


def _count(table: Said) -> int:
    return len(table["rows"]) + int(table["more"])


def _some(names: Sequence[str], *, more: int = 0) -> str:
    """
    The first names, and how many more there are.

    >>> _some(["a", "b"]), _some(list("abcde"))
    ('a and b', 'a, b, c and 2 more')
    """
    if len(names) + more <= _NAMES_MAX + 1:
        return listed(names)
    return listed([*names[:_NAMES_MAX], f"{len(names) - _NAMES_MAX + more:,} more"])


def of_key(picture: Said) -> list[str]:
    """What a key does now, and since when it fails."""
    key, now, failing = picture["key"], picture["now"], picture["failing"]
    at = picture["program"]["now"]
    said = [_KEY[key["state"]].says(now)]
    if failing:
        times = "once so far" if failing["failures"] == 1 else f"{number(failing['failures'])} times in a row"
        said.insert(0, f"It has been failing {_lasting(failing, at)}: {times}.")
        if key["state"] == "failing":
            said[1] = _KEY["ready"].says(now) if now["ready"] else _again(failing)
    elif now.get("since"):
        said.insert(0, f"It has been waiting for something else {_lasting(now, at)}: {now['message'].rstrip('.')}.")
    return said


def _again(failing: Said) -> str:
    if failing["next_s"] is not None:
        return f"It is tried again in {spoken(failing['next_s'])}."
    if failing["result"] == "terminal_error":
        return "It is not tried again until something changes."
    return "It is about to be tried again."


class _KeyState(NamedTuple):
    """A state of a key: its mood, and its sentence."""

    mood: str
    says: Callable[[Said], str]


_KEY: Final[Mapping[str, _KeyState]] = {
    "running": _KeyState("good", lambda now: f"It has been running for {spoken(now['running_s'] or 0)}{_at(now)}."),
    "stuck": _KeyState(
        "bad", lambda now: f"It is stuck: it has been running for {spoken(now['running_s'] or 0)}{_at(now)}."
    ),
    "failing": _KeyState("bad", lambda _now: "It fails."),
    "ready": _KeyState("wait", lambda _now: "It waits for a free worker."),
    "waiting": _KeyState("wait", lambda now: f"It runs again in {spoken(now['due_s'] or 0)}."),
    "elsewhere": _KeyState("good", lambda _now: "Another replica works on it."),
    "idle": _KeyState("good", lambda _now: "It is idle: it runs again when something changes."),
}
