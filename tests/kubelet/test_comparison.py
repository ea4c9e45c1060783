"""What compares two tellings of a story finds nothing in the recorded one itself, and everything that is changed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kubelet.comparison import compare
from tests.kubelet.form import Masks, facts, signature, with_numbered_ids
from tests.kubelet.play import Seen
from tests.kubelet.story import VARIES, Story, names, read

NAMES = names()


def _as_recorded(story: Story) -> Seen:
    events = [{**event, "count": event["count"][0]} for event in copy.deepcopy(story.events)]
    return Seen(pods=copy.deepcopy(story.pods), events=events)


def _change(row: dict[str, Any], path: str) -> None:
    *way, last = path.split(".")
    for step in way:
        row = row[step]
    row[last] = "something else"


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_story_is_like_itself(name: str) -> None:
    story = read(name)
    assert compare(story, _as_recorded(story)).differences == []


@given(st.sampled_from(NAMES), st.data())
def test_a_changed_field_of_a_status_is_found(name: str, data: st.DataObject) -> None:
    """For any field that the last row of a pod tells, unless the recordings differ in it."""
    story = read(name)
    seen = _as_recorded(story)
    pod = data.draw(st.sampled_from(sorted(story.pods)))
    row = next(row for row in reversed(seen.pods[pod]) if not row.get("gone"))
    leaves = [path for path, value in facts(row) if value not in (VARIES, {}) and "[" not in path]
    path = data.draw(
        st.sampled_from([path for path in leaves if path.startswith("status.") and "example.org" not in path])
    )
    before = signature(row)
    _change(row, path)
    found = compare(story, seen).differences
    assert any(path in fact.where for fact in found) or signature(row) != before


@given(st.sampled_from(NAMES), st.data())
def test_a_missing_row_and_a_missing_event_are_found(name: str, data: st.DataObject) -> None:
    story = read(name)
    seen = _as_recorded(story)
    pod = data.draw(st.sampled_from(sorted(story.pods)))
    seen.pods[pod].pop(data.draw(st.integers(0, len(seen.pods[pod]) - 1)))
    assert compare(story, seen).differences
    seen = _as_recorded(story)
    sure = [i for i, event in enumerate(seen.events) if not event.get("sometimes")]
    if sure:
        seen.events.pop(data.draw(st.sampled_from(sure)))
        assert any("is there" in fact.where for fact in compare(story, seen).differences)


def test_what_differs_each_time_has_a_name() -> None:
    masks = Masks(start=0.0)
    masks.names["web-abcde"] = "web-#1"
    told = {
        "message": "pod web-abcde at 198.18.0.7 of 127.0.0.1, 11111111-2222-3333-4444-555555555555",
        "containerID": "ctrlkit://a",
        "imageID": "web@sha256:1",
        "startedAt": "1970-01-01T00:00:07Z",
        "times": ["1970-01-01T00:00:00Z", 3],
    }
    assert masks.of(told) == {
        "message": "pod web-#1 at podIP of hostIP, UID",
        "containerID": "ctrlkit://a",
        "imageID": "image",
        "startedAt": "T+7",
        "times": ["never", 3],
    }


def test_containers_of_a_pod_are_numbered_as_they_come() -> None:
    rows: list[dict[str, Any]] = [
        {"state": {"containerID": "b"}},
        {"containerID": ""},
        {"containerID": "a"},
        {"list": [{"containerID": "b"}]},
    ]
    assert with_numbered_ids(rows) == [
        {"state": {"containerID": "container 1"}},
        {"containerID": ""},
        {"containerID": "container 2"},
        {"list": [{"containerID": "container 1"}]},
    ]
