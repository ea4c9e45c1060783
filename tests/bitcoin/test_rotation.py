"""Credentials change while nodes go on, and the pair that is in force is accepted by all of them at any time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.bitcoin_conf import is_auth_line
from ctrlkit.bitcoin.rotation import ConfigState, accepts, auth_line, next_config
from ctrlkit.bitcoin.rpc import Credentials

PAIRS: Final = [Credentials(user=user, password=word) for user in ("one", "two") for word in ("a-word", "b-word")]
A, B, C, _ = PAIRS


def after(state: ConfigState | None, wanted: Credentials, *, all_updated: bool = False) -> ConfigState:
    return next_config(state, wanted, salt="5a17", all_updated=all_updated)


def taken(state: ConfigState) -> list[Credentials]:
    """The pairs that a node with these lines accepts."""
    return [pair for pair in PAIRS if any(accepts(line, pair) for line in state.auth)]


def test_a_line_is_that_of_bitcoin_core() -> None:
    """HMAC-SHA256 of the password under the salt as text, as share/rpcauth/rpcauth.py of Bitcoin Core writes it."""
    line = "foo:7d9ba5ae63c3d4dc30583ff4fe65a67e$9e3634e81c11659e3de036d0bf88f89cd169c1039e6e09607562d54765c649cc"
    documented = Credentials(user="foo", password="qDDZdeQ5vw9XXFeVnXT4PZ--tGN2xNjjR4nrtyszZx0=")
    assert auth_line(documented, "7d9ba5ae63c3d4dc30583ff4fe65a67e") == line
    assert accepts(line, documented)
    assert not accepts(line, Credentials(user="foo", password="another"))
    assert not accepts(line, Credentials(user="bar", password=documented.password))
    assert is_auth_line(line)


def test_new_credentials_take_two_rollouts() -> None:
    """Both are accepted first; when all nodes accept both, the new ones come into force and the old line goes."""
    begun = after(after(None, A), B)
    assert (begun.in_force, taken(begun)) == (A, [A, B])
    assert after(begun, B) == begun
    done = after(begun, B, all_updated=True)
    assert (done.in_force, taken(done)) == (B, [B])
    assert after(done, B) == after(done, B, all_updated=True) == done


def test_the_same_user_may_get_another_password() -> None:
    """Lines are told apart by what they accept, and not by their users."""
    assert A.user == B.user
    assert taken(after(after(None, A), B)) == [A, B]


def test_a_change_in_the_middle_of_a_rotation_begins_with_what_is_in_force() -> None:
    """What was on its way and is not wanted any more loses its line; going back takes one rollout."""
    begun = after(after(None, A), B)
    assert taken(after(begun, C)) == [A, C]
    assert after(begun, A) == after(None, A)


def test_nothing_shows_a_password_or_a_line() -> None:
    """Not the state either, which ends in messages of failed assertions and in logs of variables."""
    shown = repr(after(after(None, A), B))
    assert "word" not in shown
    assert "5a17" not in shown


@dataclass
class Play:
    """Pods, each with the lines that it was started with, and a controller that is told what is wanted."""

    state: ConfigState
    pods: list[ConfigState]
    wanted: Credentials
    rollouts: int = 0
    in_use: set[tuple[str, ...]] = field(default_factory=set)

    def look(self) -> None:
        updated = all(pod.auth == self.state.auth for pod in self.pods)
        state = next_config(self.state, self.wanted, salt="5a17", all_updated=updated)
        self.rollouts += state.auth != self.state.auth
        self.state = state

    def restart(self, at: int) -> None:
        self.pods[at] = self.state

    def check(self) -> None:
        assert len(self.state.auth) <= 2
        for pod in (*self.pods, self.state):
            assert any(accepts(line, self.state.in_force) for line in pod.auth), "a pod refuses what is in force"


@given(seed=st.integers(0))
def test_for_any_changes_and_restarts_every_pod_accepts_what_is_in_force(seed: int) -> None:
    """A-a to A-c: wanted credentials change at any time, pods are restarted in any order, by anybody."""
    for number in range(10):
        chance = random.Random(seed + number)
        begun = after(None, chance.choice(PAIRS))
        play = Play(begun, [begun] * chance.randint(1, 4), begun.in_force)
        for _ in range(chance.randint(0, 30)):
            match chance.randrange(5):
                case 0:
                    play.wanted = chance.choice(PAIRS)
                case 1 | 2:
                    play.restart(chance.randrange(len(play.pods)))
                case _:
                    play.look()
            play.check()
        play.rollouts = 0
        for _ in range(3):
            play.look()
            play.check()
            for at in range(len(play.pods)):
                play.restart(at)
        assert (play.state.in_force, taken(play.state)) == (play.wanted, [play.wanted])
        assert play.rollouts <= 2
