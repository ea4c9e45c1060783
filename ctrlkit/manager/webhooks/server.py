"""
Serves the webhooks of a manager: its listener, its certificate, and what says whether both are as they should be.

    cert_dir        the certificate is in files, which somebody else keeps; the caBundles too
    service         certificates are in a Secret, made and replaced by the replicas (keeper.py)
    url, or none    the program runs outside of the cluster: certificates are made anew, configurations applied
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from ctrlkit.election import pod_namespace
from ctrlkit.errors import ConfigError
from ctrlkit.extras import require
from ctrlkit.manager.webhooks import outside
from ctrlkit.manager.webhooks.listener import listen
from ctrlkit.manager.webhooks.metrics import CertificateFacts
from ctrlkit.manager.webhooks.options import WebhookServing, host_of, service_names
from ctrlkit.manager.webhooks.tls import MadeCertificate, MountedCertificate
from ctrlkit.model import ObjectKey
from ctrlkit.telemetry import logger

if TYPE_CHECKING:
    from ctrlkit.client import Client
    from ctrlkit.manager.webhooks.keeper import CertificateKeeper
    from ctrlkit.webhooks import Webhooks


class WebhookServer(Protocol):
    """What a manager asks of the server of its webhooks."""

    port: int

    async def run(self) -> None:
        """Keep certificates and configurations as they should be, until cancelled."""
        ...

    async def wait_ready(self, *, timeout_s: float) -> None:
        """Return when webhooks can be called. Errors: NotSynced after the timeout, with the reason."""
        ...

    def check(self) -> str:
        """Return why webhooks cannot be called here; "" where they can."""
        ...

    def note(self) -> str:
        """Return what is not as it should be, and not bad enough to fail the check."""
        ...

    def busy(self) -> tuple[str, ...]:
        """Describe what is not done yet."""
        ...

    def statistics(self) -> CertificateFacts:
        """The statistics of the certificates."""
        ...


@asynccontextmanager
async def serve(webhooks: Webhooks, client: Client, options: WebhookServing) -> AsyncIterator[WebhookServer]:
    """
    Serve webhooks for as long as this lasts; whoever enters it runs the server's `run` meanwhile.

    Errors  ConfigError for an address that cannot be had, files that cannot be used, and a missing package.
    """
    if options.files is not None:
        mounted = MountedCertificate(*options.files, options.client_ca)
        async with listen(webhooks, options, mounted.context) as port:
            _tell(options, port, webhooks)
            yield _Mounted(mounted, port)
        return
    require("webhooks", "to make certificates for webhooks (webhooks_cert_dir names a folder with others)")
    made = MadeCertificate(options.client_ca)
    _check_place(options)
    if not options.service:
        options = outside.listening(options, client)
    async with listen(webhooks, options, made.context) as port:
        _tell(options, port, webhooks)
        yield _Made(webhooks, client, options, made, port)


def _check_place(options: WebhookServing) -> None:
    """In a pod nobody but its manifests knows which Service leads to it."""
    if options.service or options.url:
        return
    try:
        namespace = pod_namespace()
    except ConfigError:
        return
    raise ConfigError(
        f"serve webhooks: this is a pod in namespace {namespace}, and no Service is named that leads to it; name it "
        "with webhooks_service (--webhooks-service, CTRLKIT_WEBHOOKS_SERVICE)"
    )


def _tell(options: WebhookServing, port: int, webhooks: Webhooks) -> None:
    logger("webhooks").info(
        "webhooks_serving", address=f"{options.host}:{port}", webhooks=len(webhooks), client_ca=bool(options.client_ca)
    )


class _Mounted:
    """With files of somebody else's."""

    def __init__(self, certificate: MountedCertificate, port: int) -> None:
        self.port = port
        self.certificate = certificate

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def wait_ready(self, *, timeout_s: float) -> None:
        return

    def check(self) -> str:
        return self.certificate.check()

    def note(self) -> str:
        return ""

    def busy(self) -> tuple[str, ...]:
        return ()

    def statistics(self) -> CertificateFacts:
        ends = self.certificate.ends()
        read = self.certificate.statistics()
        return CertificateFacts(
            None if ends is None else ends.timestamp(), {"Read": read.reads - read.failures}, {"Read": read.failures}
        )


class _Made:
    """With certificates of our own."""

    def __init__(
        self, webhooks: Webhooks, client: Client, options: WebhookServing, made: MadeCertificate, port: int
    ) -> None:
        from ctrlkit.manager.webhooks.bundles import targets_of  # noqa: PLC0415 - needs cryptography
        from ctrlkit.manager.webhooks.certificates import chain_of  # noqa: PLC0415
        from ctrlkit.manager.webhooks.keeper import CertificateKeeper  # noqa: PLC0415

        self.port = port
        self._webhooks = webhooks
        self._client = client
        self._url = "" if options.service else outside.url_of(options, client, port)
        self._name = options.service_name or outside.name_of(client.field_manager)
        self._installed = asyncio.Event()
        self.keeper: CertificateKeeper = CertificateKeeper(
            client,
            owner=self._name,
            names=frozenset({host_of(self._url)})
            if self._url
            else service_names(options.service_namespace, options.service_name),
            targets=targets_of(webhooks, self._name),
            secret=ObjectKey(options.service_namespace, options.service_name) if options.service else None,
            lives=options.lives,
            on_leaf=lambda leaf: made.present(chain_of(leaf)),
        )

    async def run(self) -> None:
        """Keep the certificates; outside of a cluster see to the configurations too."""
        if not self._url:
            self._installed.set()
            await self.keeper.run()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keeper.run())
            tasks.create_task(self._install())

    async def _install(self) -> None:
        from ctrlkit.manager.webhooks.certificates import pem_of  # noqa: PLC0415

        while (leaf := self.keeper.leaf) is None:
            await self.keeper.moved()
        bundle = pem_of([leaf.authority])
        async with outside.installed(self._webhooks, self._client, url=self._url, name=self._name, ca_bundle=bundle):
            self._installed.set()
            await asyncio.get_running_loop().create_future()

    async def wait_ready(self, *, timeout_s: float) -> None:
        await self.keeper.wait_ready(timeout_s=timeout_s, also=self._installed)

    def check(self) -> str:
        if not self._installed.is_set():
            return f"the server was not told yet of webhooks at {self._url}"
        return self.keeper.check()

    def note(self) -> str:
        return self.keeper.note()

    def busy(self) -> tuple[str, ...]:
        return self.keeper.busy()

    def statistics(self) -> CertificateFacts:
        return self.keeper.statistics()
