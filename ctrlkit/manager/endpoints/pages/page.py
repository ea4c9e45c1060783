"""
The debug page, and a page for each key: a headline in plain words, then the sections, as tables.

In       What debug.picture() and debug_key.key_picture() give; names and errors in it come from other people.
Out      HTML without scripts, that loads nothing. A field that nobody here knows is shown all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ctrlkit.manager.endpoints.pages.cells import Place, Row, cell, code, columns, is_number, is_time, title
from ctrlkit.manager.endpoints.pages.markup import Html, joined, tag
from ctrlkit.manager.endpoints.pages.sentences import mood_of, mood_of_key, of_key, sentences, short
from ctrlkit.manager.endpoints.pages.shell import document
from ctrlkit.manager.endpoints.pages.words import clock_time, label, listed

Picture = Mapping[str, Any]

REFRESH_S: Final = 5
"""How often the page comes anew for whoever asks for that."""
REFRESH_MAX_S: Final = 3600
ASKED_MAX: Final = 512
"""Characters of a filter."""
_PARAMETERS: Final = ("controller", "key", "refresh", "format")
_FORMATS: Final = ("html", "json")
_OPEN_ROWS: Final = 20
"""Rows of a long table that are seen at once; the others are folded."""
_CARDS_FROM: Final = 6
"""A table of so many columns becomes cards on windows of middling width, and not only on narrow ones."""


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a reader asked for: keys that contain `key`, of a controller of that name, and the page anew from time to time.

    Units   `refresh_s`: seconds; None for a page that stays as it is.
    """

    controller: str = ""
    key: str = ""
    refresh_s: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """
        Read a query; ValueError with a sentence for what cannot be.

        >>> Asked.of({"key": " demo/net ", "refresh": "5"})
        Asked(controller='', key='demo/net', refresh_s=5)
        """
        for name in query:
            if name not in _PARAMETERS:
                raise ValueError(f"there is no parameter {name[:64]!r}; there are {listed(_PARAMETERS)}")
        if query.get("format", "html") not in _FORMATS:
            raise ValueError(f"format is {query['format'][:64]!r}; send {' or '.join(_FORMATS)}")
        controller, key, refresh = (query.get(name, "").strip() for name in ("controller", "key", "refresh"))
        for name, given in (("controller", controller), ("key", key)):
            if len(given) > ASKED_MAX:
                raise ValueError(f"{name} has {len(given)} characters; names have {ASKED_MAX} at most")
        if not refresh:
            return cls(controller, key)
        if not (refresh.isascii() and refresh.isdigit() and 1 <= int(refresh[:9]) <= REFRESH_MAX_S):
            raise ValueError(f"refresh is {refresh[:64]!r}; send a whole number of seconds from 1 to {REFRESH_MAX_S}")
        return cls(controller, key, int(refresh))

    @property
    def filters(self) -> bool:
        """Whether some keys only are wanted."""
        return bool(self.controller or self.key)

    def query(self, **changed: str) -> dict[str, str]:
        """What leads here again, with changes."""
        refresh = "" if self.refresh_s is None else str(self.refresh_s)
        return {"controller": self.controller, "key": self.key, "refresh": refresh, **changed}


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its heading, a sentence about it, what is said where it is empty, and its columns from the left."""

    heading: str
    about: str
    empty: str
    first: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    about_keys: bool = False


SECTIONS: Final[Mapping[str, Section]] = {
    "alike": Section(
        "Failures alike", "What several keys fail with; that of most keys comes first.",
        "No two keys fail in the same way.", ("keys", "result", "controller", "since", "key"),
        {"result": "How they fail", "key": "The first of them"}, about_keys=True,
    ),
    "failing": Section(
        "Failing", "Keys whose last reconcile failed; the one that has failed longest comes first.", "No key fails.",
        ("key", "controller", "result", "since", "failures", "next_s"), {"result": "How it failed"}, about_keys=True,
    ),
    "running": Section(
        "Running", "Reconciles that run now; the longest comes first.", "Nothing runs at this moment.",
        ("key", "controller", "for_s", "at", "causes"), about_keys=True,
    ),
    "ready": Section(
        "Ready", "Keys that wait for a free worker; the one that has waited longest comes first.",
        "No key waits for a worker.", ("key", "controller", "waited_s"), about_keys=True,
    ),
    "waiting": Section(
        "Waiting", "Keys that run later and do not fail. Those that wait for something else come first, the longest in "
        "front; then those that run next.", "No key waits for a later run.",
        ("key", "controller", "reason", "since", "due"), {"reason": "Why"}, about_keys=True,
    ),
    "keys": Section(
        "Seen before", "Keys with runs in the past; the last one that ran comes first.", "No such key has run.",
        ("key", "controller", "result", "began"), {"result": "Last run", "began": "Ran (UTC)"}, about_keys=True,
    ),
    "queues": Section(
        "Queues", "Keys that are wanted, of each controller.", "This program has no controllers.", about_keys=True,
        labels={"longest_running_s": "Longest run"},
    ),
    "controllers": Section(
        "Controllers", "What each controller has done since the start.", "This program has no controllers.",
        about_keys=True, labels={"causes": "Started by"},
    ),
    "caches": Section(
        "Caches", "What is cached of the server; what has not filled or fails comes first.",
        "This program caches nothing.", ("cache", "synced", "behind_s", "objects", "error"),
    ),
    "scopes": Section(
        "Watches", "The list and the watch of each cache, one for each namespace where namespaces are set.",
        "Nothing is watched.",
    ),
    "handlers": Section(
        "Handlers", "Who is told of changes in a cache, and how many wait for them.", "Nobody is told of changes.",
        labels={"oldest_s": "Oldest waits for", "depth": "Changes waiting", "high_water": "Most so far"},
    ),
    "quarantined": Section(
        "Objects that cannot be read", "They are left alone until they change.", "Every object can be read.",
        about_keys=True,
    ),
    "checks": Section("Checks", "What /healthz and /readyz say; those that fail come first.", "There are no checks."),
    "leases": Section("Leader election", "Leases that this replica competes for.", "This program elects no leader."),
    "replicas": Section("Replicas", "Those that share the work.", "Work is not shared."),
    "shards": Section("Shards", "Which replica works on which shard.", "Work is not shared."),
    "recorders": Section("Events", "Events that were recorded for people.", "This program records no Events."),
    "program": Section("Program", "What runs here.", ""),
    "settings": Section("Settings", "What was set; all others have their defaults.", "Every setting has its default."),
}  # fmt: skip

_KEY_SECTIONS: Final[Mapping[str, Section]] = {
    "now": Section("Now", "", ""),
    "history": Section(
        "Last runs", "The latest comes first; of failures in a row the first one is kept.",
        "No run of it has ended since this program began, or not lately.",
        ("began", "result", "causes", "took_s", "writes", "next"),
    ),
    "objects": Section("In the caches", "Objects of this key.", "No cache has an object of this key."),
}  # fmt: skip


def page(picture: Picture, asked: Asked = Asked(), *, controllers: Sequence[str] = ()) -> str:
    """The debug page; `controllers` are those that a reader may choose from."""
    said, program = picture["headline"], picture["program"]
    place = Place("", program["now"])
    shown = [name for name in picture if name != "headline" and not (asked.filters and not _about_keys(name))]
    main = joined(
        [
            _headline(sentences(said, place.now), mood_of(said)),
            _filter(asked, controllers, place),
            _contents(picture, shown),
            *(_section(name, _for(asked, SECTIONS.get(name)), picture[name], place) for name in shown),
        ]
    )
    heading = f"{short(said)} · {program['name']} · {program['replica']}"
    header = _header(program, place, asked, page_path="debug", json=place.link("debug.json", **asked.query(refresh="")))
    return document(heading, mood_of(said), header=header, main=main)


def key_page(picture: Picture, asked: Asked) -> str:
    """The page of one key."""
    key, program = picture["key"], picture["program"]
    place = Place("../", program["now"])
    mood = mood_of_key(picture)
    contents = {**picture, "now": _now(picture)}
    main = joined(
        [
            tag("p", tag("a", "All keys", href=place.link("debug")), " of ", program["name"], class_="up"),
            tag("h1", code(key["key"]), class_=mood),
            tag("p", joined(of_key(picture), by=Html(" ")), class_="lead"),
            tag("p", *_whose(key, place)),
            *(_section(name, each, contents[name], place) for name, each in _KEY_SECTIONS.items()),
        ]
    )
    title = f"{key['key']} · {key['state']} · {key['controller']} · {program['name']}"
    json = place.link("debug/key", **asked.query(refresh="", format="json"))
    return document(title, mood, header=_header(program, place, asked, page_path="debug/key", json=json), main=main)


def _now(picture: Picture) -> Row:
    """What is known now; of a key that fails, what failed and when it is tried again are said once."""
    failing, now = dict(picture["failing"]), dict(picture["now"])
    if failing:
        del failing["controller"], failing["key"]
        if now["due"] is not None:
            del failing["next_s"], now["reason"], now["message"]
    known = {name: value for name, value in now.items() if value not in (None, "", [], False)}
    return {"state": picture["key"]["state"], **failing, **known}


def _whose(key: Row, place: Place) -> Iterator[str]:
    yield "A key of the controller "
    yield tag("a", key["controller"], href=place.link("debug", controller=key["controller"]))
    if key["kind"]:
        yield from (", of the kind ", code(key["kind"]))
    yield from (". ", tag("a", "The same key in all controllers", href=place.link("debug", key=key["key"])), ".")


def missing(asked: Asked, controllers: Sequence[str]) -> tuple[str, str]:
    """
    What is said where nothing is known of what was asked for, as a heading and a sentence.

    >>> missing(Asked("nope"), ["net", "peers"])[1]
    'There is no controller nope here; there are net and peers.'
    """
    if asked.controller not in controllers:
        there = listed(controllers) or "none"
        are = "is" if len(controllers) < 2 else "are"
        return "There is no such controller", f"There is no controller {asked.controller} here; there {are} {there}."
    said = f"The controller {asked.controller} neither caches nor has lately run {asked.key}."
    return "Nothing is known of this key", said


def missing_page(program: Row, asked: Asked, controllers: Sequence[str], *, page_path: str = "debug/key") -> str:
    """What is said of a key that nothing is known of, or of a controller that there is not."""
    place = Place("../" * page_path.count("/"), program["now"])
    heading, sentence = missing(asked, controllers)
    alike = tag("p", tag("a", "Keys with this text", href=place.link("debug", key=asked.key)), " in all controllers.")
    main = joined(
        [
            tag("p", tag("a", "All keys", href=place.link("debug")), " of ", program["name"], class_="up"),
            tag("h1", heading, class_="wait"),
            tag("p", code(sentence)),
            alike if asked.key else Html(),
        ]
    )
    json = place.link("debug.json", key=asked.key)
    header = _header(program, place, asked, page_path=page_path, json=json)
    return document(f"{heading} · {program['name']}", "wait", header=header, main=main)


def _for(asked: Asked, section: Section | None) -> Section | None:
    return replace(section, empty="Nothing of what was asked for.") if section and asked.filters else section


def _about_keys(name: str) -> bool:
    return name in SECTIONS and SECTIONS[name].about_keys


def _header(program: Row, place: Place, asked: Asked, *, page_path: str, json: str) -> Html:
    def here(words: str, refresh: str) -> Html:
        return tag("a", words, href=place.link(page_path, **asked.query(refresh=refresh)))

    every = str(asked.refresh_s or "")
    if every:
        fresh = joined([f"refreshes every {every} s: ", here("stop", "")])
    else:
        fresh = joined([here("Refresh", ""), " or ", here(f"every {REFRESH_S} s", str(REFRESH_S))])
    return joined(
        [
            tag(
                "p",
                tag("b", code(program["name"])), " ", tag("span", "replica", class_="aside"), " ",
                code(program["replica"]), class_="who",
            ),
            tag(
                "p",
                tag("time", clock_time(program["now"], program["now"]), datetime=program["now"]), " UTC, ",
                program["now"][:10], " · ", fresh, " · ", tag("a", "JSON", href=json), class_="when",
            ),
        ]
    )  # fmt: skip


def _headline(said: Sequence[str], mood: str) -> Html:
    first = tag("h1", said[0], class_=mood)
    rest = tag("ul", *(tag("li", sentence) for sentence in said[1:]), class_="lead") if said[1:] else Html()
    return joined([first, rest])


def _filter(asked: Asked, controllers: Sequence[str], place: Place) -> Html:
    names = list(controllers)
    if asked.controller and asked.controller not in names:
        names.append(asked.controller)
    choices = [tag("option", "all", value="")]
    choices += [tag("option", name, value=name, selected=name == asked.controller) for name in names]
    every = str(asked.refresh_s or "")
    wanted = tag("input", type="search", name="key", value=asked.key, placeholder="namespace/name")
    return tag(
        "form",
        tag("label", "Key has ", wanted),
        tag("label", "Controller ", tag("select", *choices, name="controller")),
        tag("input", type="hidden", name="refresh", value=every) if every else "",
        tag("button", "Show"),
        tag("a", "Show all", href=place.link("debug", refresh=every)) if asked.filters else "",
        method="get", action=place.link("debug"), role="search", aria_label="Keys",
    )  # fmt: skip


def _contents(picture: Picture, shown: Sequence[str]) -> Html:
    links = [
        tag("li", tag("a", _title(name), _tally(name, picture), href=f"#{name}", class_=_alarm(name, picture)))
        for name in shown
    ]
    return tag("nav", tag("ul", *links), aria_label="Sections")


def _title(name: str) -> str:
    return SECTIONS[name].heading if name in SECTIONS else label(name)


def _alarm(name: str, picture: Picture) -> str | None:
    counts = _count(picture[name]) if name in ("failing", "quarantined") else 0
    return "bad" if counts else None


def _tally(name: str, picture: Picture) -> Html:
    count = _count(picture[name])
    return Html() if count is None else joined([" ", tag("b", f"{count:,}")])


def _count(content: Picture) -> int | None:
    return len(content["rows"]) + int(content["more"]) if "rows" in content else None


def _section(name: str, section: Section | None, content: Picture, place: Place) -> Html:
    section = section or Section(label(name), "", "There is nothing here.")
    count = _count(content)
    number = Html() if not count else joined([" ", tag("span", f"{count:,}", class_="count")])
    heading = tag("h2", section.heading, number, id=name)
    if not (content if count is None else count):
        return tag("section", heading, tag("p", section.empty), aria_labelledby=name, class_="empty")
    body = _pairs(content, section, place) if count is None else _table(content, section, place)
    return tag("section", heading, body, aria_labelledby=name)


def _pairs(content: Picture, section: Section, place: Place) -> Html:
    pairs = [
        tag("div", tag("dt", title(name, section.labels)), tag("dd", cell(content, name, place)))
        for name in columns([content])
    ]
    about = tag("p", section.about, class_="about") if section.about else Html()
    return joined([about, tag("dl", *pairs)])


def _table(content: Picture, section: Section, place: Place) -> Html:
    rows: Sequence[Row] = content["rows"]
    names = columns(rows, section.first) or [""]
    titles = {each: title(each, section.labels) for each in names}
    classes = {each: "n" if is_number(each, rows) else "t" if is_time(each) else None for each in names}
    head = tag("tr", *(tag("th", titles[each], scope="col", class_=classes[each]) for each in names))

    def line(row: Row) -> Html:
        made = [(cell(row, each, place), classes[each], titles[each]) for each in names]
        return tag("tr", _first(*made[0]), *(_other(*each) for each in made[1:]))

    def table(some: Sequence[Row], about: str) -> Html:
        wide = "wide" if len(names) >= _CARDS_FROM else None
        body = tag("tbody", *map(line, some))
        return tag("table", tag("caption", about), tag("thead", head), body, class_=wide)

    open_rows = rows if len(rows) <= _OPEN_ROWS * 3 // 2 else rows[:_OPEN_ROWS]
    folded = rows[len(open_rows) :]
    parts = [table(open_rows, section.about)]
    if folded:
        parts.append(
            tag("details", tag("summary", f"The next {len(folded)}"), table(folded, f"{section.heading}, continued"))
        )
    if content["more"]:
        parts.append(tag("p", f"and {content['more']:,} more", class_="more"))
    return joined(parts)


def _first(content: Html, class_: str | None, _label: str) -> Html:
    return tag("th", content, scope="row", class_=class_)


def _other(content: Html, class_: str | None, words: str) -> Html:
    return tag("td", tag("div", content), class_=class_, data_label=words)  # one part beside its words, in a card
