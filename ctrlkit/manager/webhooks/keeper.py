"""
Carries out the plan of rotation.py, in every replica, for as long as webhooks are served.

    informers of the Secret and of each configuration ⇒ View ⇒ plan ⇒ writes and patches
                                                          ⇓
                                                      the certificate to serve

In       A store, the objects that have caBundles, and the names by which servers call.
Out      `leaf`, told to `on_leaf` each time it changes; writes of the store and patches of caBundles.
Owns     Its informers, which are none of the manager's: they are there before its caches, and end after them.

What is refused or fails is logged once with what to do about it, and tried again; meanwhile the certificate that there
is goes on to be served. Rows W11, M2.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from typing import Any, Final

from ctrlkit.backoff import Backoff
from ctrlkit.cache import InformerFactory
from ctrlkit.client import Client
from ctrlkit.clock import monotonic, now, random_source
from ctrlkit.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound, NotSynced
from ctrlkit.failures import FailureLog, is_foreseen
from ctrlkit.manager.webhooks.bundles import Plain, Target
from ctrlkit.manager.webhooks.certificates import CertificateMaker, Reading, read_vault
from ctrlkit.manager.webhooks.metrics import CertificateFacts
from ctrlkit.manager.webhooks.rotation import (
    EMPTY,
    Leaf,
    Lives,
    Patch,
    Place,
    Plan,
    View,
    Write,
    plan,
    remember,
    sightings,
    to_serve,
    unready,
    written,
)
from ctrlkit.manager.webhooks.store import MemoryStore, SecretStore, Seen, Store, apply_bundles, disown
from ctrlkit.model import ObjectKey
from ctrlkit.telemetry import logger

RETRY: Final = Backoff(base_s=0.5, cap_s=60.0)
"""Between tries of a step that fails."""
LOOK_S: Final = 86400.0
"""Though nothing changes and nothing is due, so often everything is looked at."""
SPREAD: Final = 0.00001
"""Replicas that wait for one moment come apart by this part of a certificate's life, 78 s of 90 days: one does the
step, the others find it done."""
QUICK_REPAIRS: Final = 5
REPAIRS_WITHIN_S: Final = 600.0
"""So many repairs of one caBundle within this time are made at once; who changes it more often is waited for."""
_REPAIRS: Final = "repairs of "
_CHANGED: Final = (Conflict, Invalid, NotFound)
"""How a server refuses a JSON patch that tests the resourceVersion, when the object has changed."""


class CertificateKeeper:
    """
    Keeps the certificates of one program's webhooks.

    Shape   Without a `secret` they are kept in memory. Authorities are called after `owner`; caBundles are applied in
            its name.
    Owner   `run` may be called once.
    """

    def __init__(
        self,
        client: Client,
        *,
        owner: str,
        names: frozenset[str],
        targets: Sequence[Target],
        secret: ObjectKey | None,
        on_leaf: Callable[[Leaf], None],
        lives: Lives | None = None,
    ) -> None:
        self._client = client
        self._manager = f"{owner}-certificates"[:128]
        self._names = names
        self._factory = InformerFactory(client)
        self._store: Store = MemoryStore() if secret is None else SecretStore(client, self._factory, secret)
        self._secret = secret
        self._targets = {str(target): target for target in targets}
        self._seen = {name: Seen(self._factory, each.resource, each.key) for name, each in self._targets.items()}
        self._maker = CertificateMaker(owner)
        self._lives = lives or Lives()
        self._on_leaf = on_leaf
        self._remembered = EMPTY
        self._since: Mapping[Any, float] = {}
        self._read: tuple[Mapping[str, bytes], Reading] = ({}, Reading(EMPTY, ()))
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._was_ready = False
        self._tried = False
        self._failing: dict[str, str] = {}
        self._repairs: dict[str, deque[float]] = {}
        self._failed_turns = 0
        self._log = logger("webhooks")
        self._failure_log = FailureLog(self._log)
        self.leaf: Leaf | None = None
        self._steps: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    # ---- what others ask ---------------------------------------------------------------------------------------------

    async def moved(self) -> None:
        """Return after the next turn."""
        self._moved.clear()
        await self._moved.wait()

    async def wait_ready(self, *, timeout_s: float, also: asyncio.Event | None = None) -> None:
        """
        Return when a certificate is served, and the caBundles were looked at, and repaired if that was possible, and
        `also` is set.

        Errors  NotSynced after the timeout, with the reason.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self.leaf is None or not self._tried:
                    await self.moved()
                if also is not None:
                    await also.wait()
        except TimeoutError:
            raise NotSynced(f"serve webhooks: not ready after {timeout_s:g} s: {self.note()}") from None

    def check(self) -> str:
        """
        Return why this replica is not ready to be called; "" where it is.

        What was ready once stays so while it serves a certificate that has not ended: of caBundles that were changed
        by others `note` tells, and to be taken out of a Service would not help.
        """
        if self._was_ready and self.leaf is not None and self.leaf.is_good(_now() + self._lives.skew_s):
            return ""
        problem = self._problem()
        self._was_ready = self._was_ready or not problem
        return self.note() if problem else ""

    def note(self) -> str:
        """Return what is not as it should be."""
        missing = [name for name, seen in self._seen.items() if seen.informer.has_synced() and seen.now() is None]
        uncalled = f"there is no {', '.join(missing)}, so nothing is called" if missing else ""
        return "; ".join(filter(None, (self._problem(), uncalled, *self._failing.values())))

    def statistics(self) -> CertificateFacts:
        """The statistics at this moment."""
        ends = None if self.leaf is None else self.leaf.ends
        return CertificateFacts(ends, dict(self._steps), dict(self._failures))

    def busy(self) -> tuple[str, ...]:
        """Describe what is not done yet."""
        return ("webhooks have no certificate",) if self.leaf is None else ()

    def _problem(self) -> str:
        unknown = self._unknown()
        problem = unready(self._view(), _now(), self._lives)
        return problem or (f"it is not known what the caBundle of {', '.join(unknown)} holds" if unknown else "")

    # ---- the work ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in self._factory.informers:
            informer.add_handler(lambda _change: self._wake.set(), name="certificates")
        async with self._factory, asyncio.TaskGroup() as tasks:
            for informer in self._factory.informers:
                tasks.create_task(self._wake_when_synced(informer))
            while True:
                self._wake.clear()
                await self._rest(await self._turn())

    async def _wake_when_synced(self, informer: Any) -> None:
        """Look again when an informer has filled, or fails."""
        seen = 0

        def failed() -> bool:
            nonlocal seen
            self._wake.set()
            seen += 1
            return False

        await informer.wait_synced(unless=failed)
        self._wake.set()

    async def _turn(self) -> float:
        """Do what is to be done now; returns in how many seconds to look again."""
        self._note_reads()
        self._take_up()
        if not self._store.is_known():
            return inf
        todo = plan(self._view(), _now(), self._lives)
        self._forget_what_is_over(todo)
        waits = [self._repair_wait(patch.place) for patch in todo.patches]
        results = [await self._patch(patch) for patch, wait_s in zip(todo.patches, waits, strict=True) if not wait_s]
        if todo.write is not None and (self.leaf is None or not self._filling()):
            results.append(await self._write(todo.write))
        results += [await self._disown(name) for name in self._seen if self._owned(name)]
        self._take_up()
        went_through = not results or not all(results)
        self._tried = self._tried or (went_through and self.leaf is not None and not self._filling())
        self._moved.set()
        if not all(results):
            self._failed_turns += 1
            return RETRY.delay_s(self._failed_turns - 1, random_source())
        self._failed_turns = 0
        if results:
            return 0.0
        later_s = todo.until - _now() + random_source().uniform(0, SPREAD * self._lives.certificate_s)
        told = [REPAIRS_WITHIN_S] if any(about.startswith(_REPAIRS) for about in self._failing) else []
        return min([later_s, LOOK_S, *told, *(wait_s for wait_s in waits if wait_s)])

    async def _write(self, step: Write) -> bool:
        vault = written(step, self._reading().vault, self._maker, _now(), self._lives)
        return await self._try(type(step).__name__, self._store.write(vault))

    async def _patch(self, patch: Patch) -> bool:
        seen, target = self._seen[patch.place], self._targets[patch.place]
        applying = apply_bundles(self._client, seen, target, patch.bundles, manager=self._manager)
        went_well = await self._try(f"Patch {patch.place}", applying)
        if went_well:
            self._repairs.setdefault(patch.place, deque(maxlen=64)).append(monotonic())
        return went_well

    async def _rest(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(None if wait_s == inf else wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _try(
        self, name: str, act: Awaitable[None], late: tuple[type[ApiError], ...] = (Conflict, AlreadyExists)
    ) -> bool:
        """
        Take a step; returns whether it went well.

        Shape   `late` are the refusals that say that somebody else was quicker; the caches will show it.
        """
        try:
            await act
        except late:
            self._failures["Conflict"] += 1
            return False
        except Exception as error:
            if not is_foreseen(error):
                raise
            self._failures[name.partition(" ")[0]] += 1
            self._tell(name, error)
            return False
        self._went_well(name)
        self._steps[name.partition(" ")[0]] += 1
        self._log.info("certificate_step", step=name, secret=str(self._secret or "memory"))
        return True

    def _owned(self, name: str) -> list[Plain]:
        """What takes us out of an object in which we own a caBundle."""
        found = self._seen[name].now()
        return [] if found is None else self._targets[name].disowning(found, self._manager)

    async def _disown(self, name: str) -> bool:
        disowning = disown(self._client, self._seen[name], self._owned(name), manager=self._manager)
        return await self._try(f"Disown {name}", disowning, _CHANGED)

    def _recent_repairs(self, place: str) -> list[float]:
        return [one for one in self._repairs.get(place, deque[float]()) if one > monotonic() - REPAIRS_WITHIN_S]

    def _repair_wait(self, place: str) -> float:
        """How long to leave a caBundle alone: somebody else and this program take turns in changing it."""
        about = f"{_REPAIRS}{place}"
        recent = self._recent_repairs(place)
        if len(recent) <= QUICK_REPAIRS:
            self._went_well(about)
            return 0.0
        self._note(about, f"somebody else changes the caBundle of {place} again and again; let one alone do it")
        return max(0.0, recent[-1] + RETRY.ceiling_s(len(recent) - QUICK_REPAIRS) - monotonic())

    # ---- what is seen ------------------------------------------------------------------------------------------------

    def _view(self) -> View:
        return View(
            names=self._names,
            vault=self._reading().vault,
            places=self._places(),
            held_since={} if self._unknown() else self._since,
            serving=self.leaf,
            remembered=self._remembered,
        )

    def _reading(self) -> Reading:
        """What is stored; read again only when it has changed, for that takes milliseconds."""
        data = self._store.read()
        if data != self._read[0]:
            self._read = (data, read_vault(data))
            for fault in self._read[1].faults:
                self._log.warning("certificates_damaged", secret=str(self._secret or "memory"), fault=fault)
        return self._read[1]

    def _places(self) -> list[Place]:
        found = ((name, seen.now()) for name, seen in self._seen.items())
        return [self._targets[name].place(each) for name, each in found if each is not None]

    def _unknown(self) -> list[str]:
        return [name for name, seen in self._seen.items() if not seen.informer.has_synced()]

    def _filling(self) -> list[str]:
        """What is not known yet, and may be soon."""
        return [name for name in self._unknown() if not self._seen[name].informer.failing()]

    def _take_up(self) -> None:
        """Look at everything, and serve what is to be served."""
        moment = _now()
        self._remembered = remember(self._remembered, self._reading().vault, moment)
        self._since = sightings(self._since, self._places(), moment)
        leaf = to_serve(self._view(), moment, self._lives)
        if leaf is None or leaf == self.leaf:
            return
        self.leaf = leaf
        self._on_leaf(leaf)

    # ---- what is said ------------------------------------------------------------------------------------------------

    def _note_reads(self) -> None:
        """Say once of each object that cannot be read why that is."""
        kinds = dict(self._seen)
        if isinstance(self._store, SecretStore):
            kinds[""] = self._store.seen
        for name, seen in kinds.items():
            error = next(iter(seen.informer.failing().values()), None)
            if error is None:
                self._went_well(name)
            elif not seen.informer.has_synced():
                self._note(name, _advice("list, watch", seen.resource.plural, seen.key, error))

    def _tell(self, step: str, error: Exception) -> None:
        if " " in step:
            target = self._targets[step.partition(" ")[2]]
            self._note(step, _advice("patch", target.resource.plural, target.key, error))
        else:
            verb = "update" if self._store.read() else "create, update"
            self._note(step, _advice(verb, "secrets", self._secret or ObjectKey("", ""), error))

    def _forget_what_is_over(self, todo: Plan) -> None:
        """Say no more of a step that failed and that another replica has done, nor of who has stopped to interfere."""
        due = {f"Patch {patch.place}" for patch in todo.patches} | {type(todo.write).__name__}
        due |= {f"Disown {name}" for name in self._seen if self._owned(name)}
        due |= {f"{_REPAIRS}{name}" for name in self._repairs if len(self._recent_repairs(name)) > QUICK_REPAIRS}
        for about in [one for one in self._failing if one and one not in due and one not in self._seen]:
            self._went_well(about)

    def _note(self, about: str, text: str) -> None:
        self._failing[about] = text
        self._failure_log.say("certificates_hindered", about, what=text, about=about or "secret", problem=text)

    def _went_well(self, about: str) -> None:
        self._failing.pop(about, None)
        self._failure_log.forget(about)


def _advice(verbs: str, plural: str, key: ObjectKey, error: Exception) -> str:
    if isinstance(error, Forbidden):
        where = f" in namespace {key.namespace}" if key.namespace else ""
        return f"it may not {verbs} {plural} {key.name}{where}; allow it"
    text = error.message if isinstance(error, ApiError) else str(error) or type(error).__name__
    return f"{verbs} {plural} {key}: {text}"


def _now() -> float:
    return now().timestamp()
