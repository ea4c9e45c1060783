"""The debug page and the pages of keys, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.manager.endpoints.pages import Asked, key_page, missing_page, page
from ctrlkit.manager.endpoints.tables import table

NOW = "2026-03-04T05:06:07.000000Z"
PROGRAM: dict[str, Any] = {"name": "greeter", "replica": "greeter-0", "now": NOW}
NO_ROWS: dict[str, Any] = {"rows": [], "more": 0}
ALONE = {
    "way": "alone", "leads": True, "identity": "", "holder": "", "since": "", "shards": 0, "held": 0, "error": "",
}  # fmt: skip
TEXTS = st.text(alphabet=st.sampled_from("<>&\"'/ab=; \n"), max_size=20)
VALUES = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.lists(TEXTS), st.dictionaries(TEXTS, TEXTS))
NAMES = st.one_of(TEXTS, st.sampled_from(("error", "holder", "cache", "causes", "replica")))
ROWS = st.dictionaries(NAMES.filter(lambda name: name != "rows"), VALUES, max_size=3)
VOID = {"meta", "link", "input", "wbr"}
OURS = {
    *("html", "head", "meta", "title", "link", "style", "body", "header", "main", "section", "nav", "h1", "h2", "p"),
    *("a", "span", "b", "time", "ul", "li", "dl", "div", "dt", "dd", "details", "summary"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "wbr"),
    *("form", "label", "input", "select", "option", "button"),
}


class Seen(HTMLParser):
    """What a browser would see: elements, each closed where it should be, their attributes, and the texts of cells."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.texts: dict[str, str] = {}
        self.links: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on")]
        self.links += [value for name, value in attrs if name in ("href", "action", "src") and value]
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open:
            return
        if {"td", "th"} & set(self._open):
            self.cells[-1] += data
        for tag in set(self._open):
            self.texts[tag] = self.texts.get(tag, "") + data


def a_headline(state: str = "well", **more: Any) -> dict[str, Any]:
    """What debug.picture() says of a program where all else is well."""
    return {
        "state": state,
        "unreachable": {"for_s": None},
        "failing": {"keys": 0, "since": None, "since_s": None, "controllers": []},
        "waiting": {"keys": 0, "since": None, "since_s": None, "controllers": [], "reasons": [], "more_reasons": 0},
        "leadership": ALONE,
        "caches": NO_ROWS,
        "stuck": NO_ROWS,
        "blocked": NO_ROWS,
        "checks": NO_ROWS,
        "quarantined": {"objects": 0, "caches": []},
        **more,
    }


def a_picture(headline: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """A picture of some sections."""
    return {"headline": headline or a_headline(), **sections, "program": PROGRAM}


@settings(max_examples=20)
@given(
    st.dictionaries(TEXTS.filter(bool), st.one_of(st.lists(ROWS, max_size=3).map(table), ROWS), max_size=3),
    TEXTS, TEXTS, st.lists(TEXTS, max_size=2),
)  # fmt: skip
def test_for_any_content_there_are_no_tags_but_our_own(
    sections: dict[str, Any], controller: str, key: str, names: list[str]
) -> None:
    """Names and errors come from other people."""
    asked = Asked.of({"controller": controller, "key": key})
    seen = Seen(
        page({**a_picture(), **sections, "headline": a_headline()} | {"program": PROGRAM}, asked, controllers=names)
    )
    assert seen.tags <= OURS
    assert all(link.startswith(("debug", "data:image/svg+xml,", "#")) for link in seen.links)


@settings(max_examples=20)
@given(TEXTS, TEXTS, TEXTS)
def test_for_any_key_its_page_has_no_tags_but_our_own(controller: str, key: str, text: str) -> None:
    asked = Asked(controller, key)
    seen = Seen(missing_page({**PROGRAM, "name": text}, asked, [text]))
    assert seen.tags <= OURS
    assert all(link.startswith(("../debug", "data:image/svg+xml,", "key?", "#")) for link in seen.links)


def test_a_cell_shows_what_it_was_given() -> None:
    rows = [{"key": "</td><script>alert(1)</script>", "causes": ["a & b", "c"], "depth": 12345, "took_s": 0.25}]
    seen = Seen(page(a_picture(x=table(rows))))
    assert seen.cells == [
        "Key", "Why", "Depth", "Took", "</td><script>alert(1)</script>", "a & bc", "12,345", "250 ms",
    ]  # fmt: skip


def test_of_many_rows_some_are_seen_some_are_folded_and_the_rest_counted() -> None:
    found = table({"cache": f"c{number}"} for number in range(107))
    html = page(a_picture(caches=found))
    seen = Seen(html)
    assert len([text for text in seen.cells if text.startswith("c")]) == 100
    assert "<summary>The next 80</summary>" in html
    assert "and 7 more" in html
    assert 'Caches <span class="count">107</span>' in html
    assert "details" not in Seen(page(a_picture(caches=table({"cache": str(number)} for number in range(30))))).tags


def test_each_section_that_is_empty_says_something() -> None:
    names = ("failing", "running", "waiting", "queues", "caches", "quarantined", "leases", "shards", "recorders")
    seen = Seen(page(a_picture(**dict.fromkeys(names, NO_ROWS), replicas={}, settings={})))
    for sentence in ("No key fails.", "Nothing runs", "no controllers", "caches nothing", "elects no leader"):
        assert sentence in seen.texts["section"]
    assert seen.texts["section"].count("Work is not shared.") == 2
    assert set(seen.ids) >= {*names, "replicas", "settings", "content"}


FAILING: dict[str, Any] = {
    "keys": 3, "since": "2026-03-04T02:41:00Z", "since_s": 8707.0,
    "controllers": [
        {"controller": "net", "keys": 2, "since": "2026-03-04T02:41:00Z", "since_s": 8707.0},
        {"controller": "peers", "keys": 1, "since": "2026-03-04T05:00:00Z", "since_s": 367.0},
    ],
}  # fmt: skip
WAITING: dict[str, Any] = {
    "keys": 6, "since": "2026-03-04T02:41:00Z", "since_s": 8707.0, "controllers": [{"controller": "sites", "keys": 6}],
    "reasons": [{"reason": "the DNS does not answer", "keys": 5}, {"reason": "no quota.", "keys": 1}],
    "more_reasons": 0,
}  # fmt: skip
PODS = {"cache": "pods", "synced": True, "behind_s": 42.0, "error": "watch pods: connection refused."}
SECRETS = {"cache": "secrets", "synced": False, "behind_s": 42.0, "error": "list secrets: forbidden"}


@pytest.mark.parametrize(
    ("headline", "title", "sentences"),
    [
        (a_headline(), "All well", ["All is well: no key fails", "works without leader election"]),
        (
            a_headline("failing", failing=FAILING),
            "3 keys failing",
            ["3 keys have been failing, the first since 02:41:00 (2 hours): 2 of net and 1 of peers."],
        ),
        (
            a_headline("failing", failing={**FAILING, "keys": 1, "controllers": FAILING["controllers"][1:]}),
            "1 key failing",
            ["1 key of peers has been failing since 02:41:00 (2 hours)."],
        ),
        (
            a_headline("unreachable", failing=FAILING, unreachable={"for_s": 42.0}),
            "No API server",
            ["The API server has not answered for 42 seconds.", "3 keys have been failing"],
        ),
        (
            a_headline("waiting", waiting=WAITING),
            "6 keys waiting",
            [
                "6 keys of sites have been waiting for something else, the first since 02:41:00 (2 hours): "
                "the DNS does not answer (5) and no quota (1).",
            ],
        ),
        (
            a_headline("behind", caches=table([PODS])),
            "Caches behind",
            ["The cache of pods has been behind for 42 seconds.", "The reason: watch pods: connection refused."],
        ),
        (
            a_headline(
                "unready",
                caches=table([SECRETS]),
                checks=table([{"kind": "readyz", "check": "informer:secrets", "note": "forbidden"}]),
            ),
            "Not ready",
            ["The cache of secrets has not filled yet.", "The reason: list secrets: forbidden."],
        ),
        (
            a_headline("unready", checks=table([{"kind": "readyz", "check": "disk", "note": "full"}])),
            "Not ready",
            ["1 check fails: disk (full)."],
        ),
        (
            a_headline(
                "stuck",
                stuck=table([{"controller": "net", "key": "demo/a", "for_s": 720.0, "at": "net.py:7 in connect"}]),
            ),
            "1 reconcile stuck",
            ["1 reconcile is stuck: demo/a of net has been running for 12 minutes, and waits at net.py:7 in connect."],
        ),
        (
            a_headline(
                "stuck",
                stuck=table([{"controller": "net", "key": "demo/a", "for_s": 720.0}]),
                blocked=table([{"controller": "net", "workers": 1, "ready": 30}]),
            ),
            "1 reconcile stuck",
            ["1 reconcile is stuck", "The only worker of net is held by that; 30 keys wait for one."],
        ),
        (
            a_headline("quarantined", quarantined={"objects": 2, "caches": ["pods", "nodes"]}),
            "2 objects unreadable",
            ["2 objects in the caches of pods and nodes cannot be read, and are left alone."],
        ),
        (
            a_headline(
                "standby", leadership={**ALONE, "way": "lease", "leads": False, "holder": "greeter-1", "since": NOW}
            ),
            "Standing by",
            ["This replica stands by; greeter-1 leads, since 05:06:07.", "All is well here"],
        ),
        (
            a_headline(leadership={**ALONE, "way": "shards", "shards": 8, "held": 3, "error": "forbidden"}),
            "All well",
            ["All is well", "works on 3 of 8 shards.", "The last call for its leases failed: forbidden."],
        ),
    ],
)
def test_the_headline_says_in_plain_words_what_is_the_matter(
    headline: dict[str, Any], title: str, sentences: list[str]
) -> None:
    """The state is in the title with the names of program and replica; the first sentence is the heading."""
    seen = Seen(page(a_picture(headline)))
    assert seen.texts["title"] == f"{title} · greeter · greeter-0"
    assert sentences[0] in seen.texts["h1"]
    for sentence in sentences:
        assert sentence in seen.texts["main"]
    assert "informer:" not in seen.texts["main"], "a cache that is not filled is told once"


def test_a_key_leads_to_its_page_and_the_way_back_is_there() -> None:
    row = {"controller": "net#2", "key": "demo/a&b"}
    assert "debug/key?controller=net%232&key=demo%2Fa%26b" in Seen(page(a_picture(running=table([row])))).links
    past = {"began": NOW, "result": "timeout", "causes": ["pods demo/a changed"], "error": "too long", "next": "",
            "where": "net.py:7 in connect", "next_s": None, "took_s": 30.0, "writes": ["patch:pods/a"]}  # fmt: skip
    failing = {"controller": "net", "key": "demo/a", "result": "timeout", "since": NOW, "since_s": 0.2, "failures": 2,
               "next_s": 12.0, "error": "too long", "where": "net.py:7 in connect"}  # fmt: skip
    now: dict[str, Any] = {"running_s": None, "causes": [], "ready": False, "wanted_again": False, "due": NOW,
           "due_s": 12.0, "reason": "retry", "message": "too long"}  # fmt: skip
    key = {"controller": "net", "key": "demo/a", "kind": "pods", "state": "failing"}
    found = {"program": PROGRAM, "key": key, "now": now, "failing": failing, "objects": NO_ROWS,
             "history": table([past])}  # fmt: skip
    seen = Seen(key_page(found, Asked("net", "demo/a")))
    assert seen.texts["title"] == "demo/a · failing · net · greeter"
    assert "2 times in a row. It is tried again in 12 seconds." in seen.texts["main"]
    assert seen.texts["section"].count("too long at net.py:7 in connect") == 2, "and so is the line that it came from"
    once = Seen(key_page({**found, "failing": {**failing, "failures": 1}}, Asked("net", "demo/a"))).texts["main"]
    assert "(a moment): once so far. It is tried again" in once
    assert {"../debug", "../debug?controller=net", "../debug?key=demo%2Fa"} <= set(seen.links)
    assert "on a change" in seen.cells
    assert seen.texts["section"].count("too long") == 2, "an error is told where the key fails, and in its run"


def test_a_filter_shows_what_is_about_keys_and_says_so_where_nothing_is() -> None:
    picture = a_picture(failing=NO_ROWS, caches=table([{"cache": "pods"}]))
    seen = Seen(page(picture, Asked("net", "demo/", 5), controllers=["net", "peers"]))
    assert "failing" in seen.ids
    assert "caches" not in seen.ids
    assert "Nothing of what was asked for." in seen.texts["section"]
    assert seen.texts["option"] == "allnetpeers"
    assert "debug?refresh=5" in seen.links, "all keys, and as often as before"
    assert "debug?controller=net&key=demo%2F" in seen.links, "the same keys, and no more by itself"


@pytest.mark.parametrize("query", [{"refresh": "0"}, {"refresh": "-1"}, {"refresh": "x"}, {"refresh": "9" * 5000}])
def test_a_refresh_that_cannot_be_says_what_would_be_right(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="send a whole number of seconds from 1 to 3600"):
        Asked.of(query)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"nonsense": "1"}, "there is no parameter 'nonsense'; there are controller, key, refresh and format"),
        ({"format": "xml"}, "format is 'xml'; send html or json"),
    ],
)
def test_a_parameter_that_there_is_not_is_refused(query: dict[str, str], words: str) -> None:
    """Ignored it would look as if it had been heard."""
    with pytest.raises(ValueError, match=words):
        Asked.of(query)


def test_a_filter_longer_than_any_name_is_refused() -> None:
    with pytest.raises(ValueError, match="key has 600 characters; names have 512 at most"):
        Asked.of({"key": "x" * 600})
