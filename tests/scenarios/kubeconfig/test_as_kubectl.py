"""
The same kubeconfig, and the same request: what ctrlkit sends is what kubectl sends, or both refuse.

Each case is written into two folders, one for each client, and each has servers of its own. Compared are the door that
was reached, method, path, the name asked for by TLS, the client certificate, the headers that say who asks and on whose
behalf, what proxies were told, whether answers may be compressed, and what credential plugins were asked.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.scenarios.kubeconfig.cases import CASES, DIFFERENCES, Case, Difference
from tests.scenarios.kubeconfig.clients import Outcome, ask_kubectl, ask_us
from tests.support.kubectl import KUBECTL, VERSION, needs_kubectl

pytestmark = [needs_kubectl, pytest.mark.real_time, pytest.mark.timeout(600)]

AT_ONCE = 2
EVERY = 6
"""`make test` tries one of so many cases: each kubectl is a process, and takes a tenth of a second of one core."""
DEVIATIONS = Path(__file__).parents[3] / "docs/deviations.md"
Outcomes = Mapping[str, Outcome]


@pytest.fixture(scope="module")
def kubectls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What kubectl does in the cases that are to be compared, some at a time: each is a process."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    parameters = [each for item in functions if hasattr(item, "callspec") for each in item.callspec.params.values()]
    cases = [each for each in parameters if isinstance(each, Case)]
    cases += [each.case for each in parameters if isinstance(each, Difference)]

    async def ask(case: Case, turn: asyncio.Semaphore) -> tuple[str, Outcome]:
        async with turn:
            return case.name, await ask_kubectl(case, tmp_path_factory.mktemp("kubectl"))

    async def ask_all() -> Outcomes:
        turn = asyncio.Semaphore(AT_ONCE)
        return dict(await asyncio.gather(*(ask(case, turn) for case in cases)))

    return asyncio.run(ask_all())


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.long] if case.long or number % EVERY else [])
        for number, case in enumerate(CASES)
    ],
    ids=str,
)
async def test_both_send_the_same(case: Case, kubectls: Outcomes, tmp_path: Path) -> None:
    """Or both refuse, where the case says so."""
    theirs, ours = kubectls[case.name], await ask_us(case, tmp_path)
    assert theirs.refused == case.refused, f"kubectl said: {theirs.said}"
    assert ours.compared == theirs.compared, f"ctrlkit said: {ours.said}\nkubectl said: {theirs.said}"
    assert "\n" not in ours.said


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: str(difference.case))
async def test_differences_are_meant(difference: Difference, kubectls: Outcomes, tmp_path: Path) -> None:
    """Each is told in docs/deviations.md, and is one."""
    theirs, ours = kubectls[difference.case.name], await ask_us(difference.case, tmp_path)
    assert ours.compared != theirs.compared
    assert f"| {difference.why}" in DEVIATIONS.read_text()


def test_there_are_many_cases_of_one_version() -> None:
    """No two of one name, and the kubectl they are compared with is the one that is pinned."""
    names = [case.name for case in [*CASES, *(each.case for each in DIFFERENCES)]]
    assert len(set(names)) == len(names) >= 200
    said = subprocess.run([KUBECTL, "version", "--client"], capture_output=True, text=True, check=True)
    assert VERSION in said.stdout
