"""What the scheduler knows of nodes and their pods, kept up to date change by change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts, read_pod
from ctrlkit.fakes.cluster.loops.scheduling.state import NodeState
from ctrlkit.model import LabelSelector, Unstructured

UIDS = st.integers(0, 5).map(str)
LABELS = st.dictionaries(st.sampled_from(("app", "tier")), st.sampled_from("ab"))
SELECTORS = st.sampled_from(("", "app=a", "app=a,tier=b", "tier in (a,b),app=b", "app!=a", "!tier", "tier"))


def a_pod(uid: str, namespace: str, labels: dict[str, str]) -> PodFacts:
    metadata = {"name": uid, "namespace": namespace, "uid": uid, "labels": labels}
    return read_pod(Unstructured({"metadata": metadata, "spec": {"containers": []}}))


CHANGES = st.lists(UIDS | st.builds(a_pod, UIDS, st.sampled_from(("demo", "other")), LABELS), max_size=20)


@given(CHANGES, SELECTORS)
def test_whatever_comes_and_goes_the_pods_that_a_selector_matches_are_found(
    changes: list[str | PodFacts], text: str
) -> None:
    """Each as it is now, and those of its namespace alone; a copy is changed without the original."""
    node, selector = NodeState("n1"), LabelSelector.parse(text)
    for change in changes:
        if isinstance(change, str):
            node.remove(change)
        else:
            node.add(change)
    matching = [pod for pod in node.pods.values() if pod.key.namespace == "demo" and selector.matches(pod.labels)]
    by_uid = sorted(node.selected("demo", selector), key=lambda pod: pod.uid)
    assert by_uid == sorted(matching, key=lambda pod: pod.uid)
    other = node.copy()
    for uid in list(other.pods):
        other.remove(uid)
    assert list(other.selected("demo", selector)) == []
    assert sorted(node.selected("demo", selector), key=lambda pod: pod.uid) == by_uid
