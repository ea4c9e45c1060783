"""The tool itself: which mistakes it makes, that it makes them, and that tests notice."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.mutation.known import KNOWN
from tests.mutation.mutants import mutants_of
from tests.mutation.rooms import ROOMS, ROOT, Scope

CHANGES = [
    ("if a < b:\n        c()", {"the condition is negated": "if not a < b:", "< becomes <=": "if a <= b:"}),
    ("if a is None:\n        c()", {"is becomes is not": "if a is not None:"}),
    ("if not a:\n        c()", {"not is left out": "if a:"}),
    ("while a and b:\n        c()", {"and becomes or": "while a or b:"}),
    ("a = 1 < b <= 2", {"< becomes <=": "a = 1 <= b <= 2", "<= becomes <": "a = 1 < b < 2"}),
    (
        "a = b + -2.5",
        {"+ becomes -": "a = b - -2.5", "- is left out": "a = b + 2.5", "2.5 becomes 3.5": "a = b + -3.5"},
    ),
    ("a = True", {"True becomes False": "a = False"}),
    ("a.b = c", {"left out": "pass"}),
    ("a[b] = c", {"left out": "pass"}),
    ("a += 1", {"+ becomes -": "a -= 1", "left out": "pass", "1 becomes 2": "a += 2"}),
    ("del a[b]", {"left out": "pass"}),
    ("a.b(c)", {"left out": "pass"}),
    ("await a", {"left out": "pass"}),
    ("raise A('not < to be')", {"left out": "pass"}),
    ("a = f(b, c, d=e)", {"the first two arguments are swapped": "f(c, b, d=e)", "d= is left out": "a = f(b, c)"}),
    ("return a", {"returns None": "return"}),
    ("try:\n        pass\n    except A:\n        b = c", {"raises again": "raise"}),
    ("for a in b:\n        break", {"break becomes continue": "continue"}),
    ("for a in b:\n        continue", {"continue becomes break": "break"}),
    ("self._log.warning('a', b=1)", {"left out": "pass"}),
    ("return a if b else c", {"the condition is negated": "return a if not b else c", "returns None": "return"}),
]


@pytest.mark.parametrize(("body", "changes"), CHANGES)
def test_each_mistake_is_made_and_named(body: str, changes: dict[str, str]) -> None:
    """One at a time, at one place; the rest of the module is as it was."""
    source = f"async def f(a, b, c, d, e, self):\n    {body}\n"
    made = {mutant.id.rpartition(": ")[2]: mutant.tree(source) for mutant in mutants_of("m.py", source)}
    assert made.keys() >= changes.keys()
    for what, text in changes.items():
        assert text in ast.unparse(made[what])
        compile(made[what], "m.py", "exec")
    assert all(ast.unparse(tree) != ast.unparse(ast.parse(source)) for tree in made.values())


@pytest.mark.parametrize(
    "source",
    [
        '"""1 < 2"""\nA = 1 < 2\n',
        "class A:\n    b: int = 1\n",
        "def f(a: int = 1) -> bool:\n    pass\n",
        "@g(1)\ndef f() -> None:\n    '''1 < 2'''\n",
        "class A:\n    def __repr__(self):\n        return f'{1 + 2}'\n",
        "if TYPE_CHECKING:\n    from a import b\n",
        "def f():\n    return None\n",
    ],
)
def test_what_no_test_could_hold_is_left_alone(source: str) -> None:
    """Words, constants, types, and what is for eyes alone."""
    assert mutants_of("m.py", source) == []


def test_names_do_not_depend_on_what_stands_around() -> None:
    """Nor does the order of a sample."""
    source = "def f(a):\n    return a < 1\n"
    alone = mutants_of("m.py", source)
    moved = mutants_of("m.py", f"import b\n\ndef g(c):\n    return c\n\n\n{source}")
    ids = [mutant.id for mutant in alone]
    assert ids == [mutant.id for mutant in moved if " f: " in mutant.id]
    ranks = {mutant.id: mutant.rank(9) for mutant in moved}
    assert [ranks[mutant.id] for mutant in alone] == [mutant.rank(9) for mutant in alone]
    assert sorted(alone, key=lambda it: it.rank(1)) != sorted(alone, key=lambda it: it.rank(3))


def test_a_change_twice_in_a_line_has_two_names() -> None:
    ids = [mutant.id for mutant in mutants_of("m.py", "def f(a):\n    return a < 1 or a < 1\n")]
    assert "m.py f: return a < 1 or a < 1: < becomes <=" in ids
    assert "m.py f: return a < 1 or a < 1: < becomes <= (2)" in ids
    assert len(set(ids)) == len(ids)


@pytest.mark.long
def test_every_module_of_a_room_can_be_mutated_and_has_tests() -> None:
    """All their mutants compile, and have names of their own."""
    for room in ROOMS.values():
        for module in room.modules():
            source = (ROOT / module).read_text()
            mutants = mutants_of(str(module), source)
            assert len({mutant.id for mutant in mutants}) == len(mutants)
            if mutants:
                compile(mutants[-1].tree(source), str(module), "exec")
            for scope in Scope:
                tests = room.tests_of(module, scope)
                assert len(tests) > 1
                assert all((ROOT / path).exists() for path in tests)


@pytest.mark.long
def test_what_is_known_to_survive_is_still_there() -> None:
    """A survivor whose line has changed is looked at anew."""
    ids = {
        mutant.id
        for room in ROOMS.values()
        for module in room.modules()
        for mutant in mutants_of(str(module), (ROOT / module).read_text())
    }
    assert KNOWN.keys() - ids == set()
    assert all(known.reason for known in KNOWN.values())


@pytest.mark.long
@pytest.mark.real_time
@pytest.mark.parametrize(
    ("module", "mistake"),
    [
        ("ctrlkit/workqueue/limits.py", "_PerKey.forget: del self._failures[key]"),
        ("ctrlkit/workqueue/fifo.py", "FairFifo._retire: flow.waits_for_turn = False: left out"),
    ],
)
def test_a_mistake_is_noticed_and_the_files_stay_as_they_are(module: str, mistake: str) -> None:
    """One mutant of a module, in a process of its own; also where others import the module before its tests do."""
    path = ROOT / module
    before = path.read_text()
    command = [sys.executable, "-m", "tests.mutation", module, "--quick", "--count", "0"]
    told = subprocess.run(
        [*command, "--grep", mistake],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert told.stdout.startswith("noticed"), told.stdout + told.stderr
    assert path.read_text() == before
