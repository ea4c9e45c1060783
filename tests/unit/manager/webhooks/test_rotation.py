"""The plan by which certificates of webhooks are made and replaced, in clusters where anything may be seen late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.manager.webhooks.rotation import EMPTY, Issue, Lives, plan
from tests.unit.manager.webhooks.rotation_model import (
    DAY_S,
    HOUR_S,
    LIVES,
    NAMES,
    Cluster,
    with_a_stranger,
    without_keys,
    without_leaf,
    without_oldest,
)

Happening = Callable[[Cluster], None]

_REPLICAS = 3
_PLACES = ("a", "b")
_replica = st.integers(0, _REPLICAS - 1)
_place = st.sampled_from(_PLACES)


def _work() -> st.SearchStrategy[Happening]:
    """What replicas do, in any order and each part of it by itself."""
    return st.one_of(
        _replica.map(lambda n: lambda c: c.see_vault(c.replicas[n])),
        st.tuples(_replica, _place).map(lambda a: lambda c: c.see_place(c.replicas[a[0]], a[1])),
        _replica.map(lambda n: lambda c: c.see_all(c.replicas[n])),
        _replica.map(lambda n: lambda c: c.serve(c.replicas[n])),
        _replica.map(lambda n: lambda c: c.write(c.replicas[n])),
        st.tuples(_replica, _place).map(lambda a: lambda c: c.patch(c.replicas[a[0]], a[1])),
        _replica.map(lambda n: lambda c: c.turn(c.replicas[n]) and None),
        _replica.map(lambda n: lambda c: c.restart(n)),
    )


def _time() -> st.SearchStrategy[Happening]:
    lengths = st.sampled_from([1.0, 60.0, 700.0, HOUR_S, DAY_S, 25 * DAY_S, 61 * DAY_S, 91 * DAY_S])
    return lengths.map(lambda seconds: lambda c: c.pass_time(seconds))


def _months() -> st.SearchStrategy[Happening]:
    """Half a year, in which one replica is at work and the others are, or sleep through it."""

    def pass_by(cluster: Cluster, number: int, days: float, *, others: bool) -> None:
        for _ in range(int(180 / days)):
            cluster.pass_time(days * DAY_S)
            for one in cluster.replicas if others else (cluster.replicas[number],):
                cluster.turn(one)
                cluster.check()

    return st.tuples(_replica, st.sampled_from([13.0, 29.0]), st.booleans()).map(
        lambda a: lambda c: pass_by(c, a[0], a[1], others=a[2])
    )


def _hands() -> st.SearchStrategy[Happening]:
    """What people and other programs do."""
    changes = [lambda _: EMPTY, without_keys, without_leaf, without_oldest, with_a_stranger]
    return st.one_of(
        st.sampled_from(changes).map(lambda change: lambda c: c.damage(change)),
        _place.map(lambda name: lambda c: c.empty(name)),
    )


def _histories() -> st.SearchStrategy[list[Happening]]:
    everything = st.one_of(_work(), _work(), _work(), _time(), _months(), _hands())
    return st.lists(everything, max_size=40)


_aheads = st.lists(st.floats(0, LIVES.skew_s), min_size=_REPLICAS, max_size=_REPLICAS)


def _check_any_history(aheads_s: list[float], history: list[Happening]) -> None:
    cluster = Cluster((ahead_s - LIVES.skew_s / 2 for ahead_s in aheads_s), _PLACES)
    cluster.settle()
    for happens in history:
        happens(cluster)
        cluster.check()
    cluster.settle()
    cluster.check()
    assert all(cluster.ready(one) for one in cluster.replicas)
    assert all(one.serving == cluster.replicas[0].serving for one in _after_settling(cluster).replicas)


def _after_settling(cluster: Cluster) -> Cluster:
    for _ in range(3):
        cluster.pass_time(LIVES.settle_s + 1)
        cluster.settle()
        cluster.check()
    return cluster


@pytest.mark.behaviour("W11")
@settings(max_examples=5, deadline=None)
@given(_aheads, _histories())
def test_for_any_history_every_ca_bundle_verifies_what_ready_replicas_serve(
    aheads_s: list[float], history: list[Happening]
) -> None:
    """
    Replicas see late, stop between any two steps, start again and have clocks of their own; a server knows an old
    caBundle for minutes; people delete and damage the Secret: no caBundle in force ever fails to verify a certificate
    that a ready replica serves, but for one that was emptied by hand, until it is repaired. When all is quiet every
    replica is ready, and serves the same.
    """
    _check_any_history(aheads_s, history)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(_aheads, _histories())
def test_for_very_many_histories_every_ca_bundle_verifies_what_ready_replicas_serve(
    aheads_s: list[float], history: list[Happening]
) -> None:
    """The same, for thousands of histories."""
    _check_any_history(aheads_s, history)


def test_in_a_year_six_certificates_and_one_authority_are_made() -> None:
    """And the authority that has ended is out of every caBundle."""
    cluster = Cluster([0.0])
    cluster.settle()
    for _ in range(370):
        cluster.pass_time(DAY_S)
        cluster.turn(cluster.replicas[0])
        cluster.check()
    made = next(cluster.maker.numbers)
    assert made - 2 == 1 + 6
    (one,) = cluster.replicas
    assert one.serving is not None
    for bundle in cluster.bundles.values():
        assert bundle.held == (one.serving.authority,)


def test_who_may_not_patch_serves_what_is_verified_to_the_end_of_its_authority() -> None:
    """No other authority signs before the caBundles hold it; when the old one has ended nothing is lost any more."""
    cluster = Cluster([0.0])
    cluster.settle()
    (one,) = cluster.replicas
    first = one.serving
    assert first is not None
    for _ in range(364):
        cluster.pass_time(DAY_S)
        cluster.see_all(one)
        cluster.serve(one)
        cluster.write(one)
        cluster.check()
        assert one.serving is not None
        assert one.serving.authority == first.authority
        assert cluster.ready(one)
    assert len(cluster.stored.authorities) == 2
    cluster.pass_time(2 * DAY_S)
    cluster.settle()
    assert cluster.ready(one)
    last = cluster.replicas[0].serving
    assert last is not None
    assert last.authority != first.authority


def test_a_server_that_is_called_by_one_more_name_keeps_the_others() -> None:
    """Two versions of a program, which are called differently, do not take certificates from each other."""
    cluster = Cluster([0.0])
    cluster.settle()
    (one,) = cluster.replicas
    view = replace(cluster.view(one), names=frozenset({"new.demo.svc"}))
    step = plan(view, cluster.now, LIVES).write
    assert step == Issue(cluster.stored.authorities[0], NAMES | {"new.demo.svc"})


def test_an_authority_of_another_that_begins_later_makes_no_more_than_it_takes() -> None:
    """It is taken into the caBundles, and neither signs nor has authorities made without end."""
    cluster = Cluster([0.0])
    cluster.settle()
    cluster.damage(with_a_stranger)
    cluster.settle()
    assert [one.id for one in cluster.stored.authorities] == ["ca-0", "stranger"]
    cluster.check()


def test_lives_that_leave_no_time_for_a_change_are_refused() -> None:
    """A certificate must be able to live out its time under an authority that is being replaced."""
    with pytest.raises(ValueError, match="at most 30% of its authority's time"):
        Lives(authority_s=100 * DAY_S, certificate_s=90 * DAY_S)
    with pytest.raises(ValueError, match="at least six times"):
        Lives(certificate_s=HOUR_S)
