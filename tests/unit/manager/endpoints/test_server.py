"""Which page answers what, to whom."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import structlog
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from structlog.testing import capture_logs

from ctrlkit.errors import ConfigError
from ctrlkit.fakes import World
from ctrlkit.manager.endpoints import CheckKind, Checks, Endpoints, access, serve, server
from ctrlkit.telemetry import LogFormat, LogLevel, configure_logging, log_level, logger
from tests.support.greetings import GREETINGS, greeter, greeting
from tests.unit.manager.endpoints.support import ANY, asking, standing


@pytest.mark.behaviour("M9")
async def test_health_over_http() -> None:
    """200 and 500, one check by its name, and 404 for a name that there is not."""
    manager = standing()
    trouble = ["no disk"]
    manager.checks.add("disk", lambda: trouble[0], kind=CheckKind.READYZ)
    async with asking(manager) as ask:
        assert (await ask.get("/healthz")).text == "ok\n"
        failing = await ask.get("/readyz")
        assert (failing.status, failing.text.splitlines()[-2:]) == (
            500,
            ["[-]disk failed: no disk", "readyz check failed"],
        )
        assert (await ask.get("/readyz?exclude=disk")).status == 200
        one = await ask.get("/readyz/disk")
        assert (one.status, one.text) == (500, "failed: no disk\n")
        trouble[0] = ""
        assert (await ask.get("/readyz/disk")).text == "ok\n"
        assert "[+]disk ok" in (await ask.get("/readyz?verbose")).text
        assert (await ask.get("/readyz/nope")).status == 404
        assert (await ask.get("/healthz/ping")).text == "ok\n"


async def test_metrics_as_the_scraper_likes_them() -> None:
    """Text by default, OpenMetrics when asked for; both can be read."""
    async with asking() as ask:
        text = await ask.get("/metrics")
        assert text.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert {family.name for family in text_string_to_metric_families(text.text)} > {"event_loop_lag_seconds"}
        accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        modern = await ask.get("/metrics", Accept=accept)
        assert modern.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert modern.text.endswith("# EOF\n")


async def test_metrics_travel_compressed_where_the_scraper_takes_that() -> None:
    async with (
        asking() as ask,
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(f"http://{ask.address}/metrics", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        assert answer.headers["Content-Encoding"] == "gzip"
        assert b"event_loop_lag_seconds" in gzip.decompress(await answer.read())


async def test_text_is_made_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is most of the work of a scrape, and watches and leases go on meanwhile."""
    threads: list[threading.Thread] = []

    def encode(families: Collector) -> bytes:
        threads.append(threading.current_thread())
        return generate_latest(families)

    monkeypatch.setattr(server, "choose_encoder", lambda _accept: (encode, "text/plain"))
    async with asking() as ask:
        assert "event_loop_lag_seconds" in (await ask.get("/metrics")).text
    assert threading.current_thread() not in threads


async def test_a_page_of_another_site_may_not_set_anything() -> None:
    """A browser asks before it sends PUT elsewhere, and is told no."""
    async with asking() as ask:
        asked = await ask.send("OPTIONS", "/debug/log-level", headers={"Origin": "http://other.example"})
        assert asked.status == 405
        assert "Access-Control-Allow-Origin" not in asked.headers


async def test_debug_as_page_and_as_json() -> None:
    """The page needs no scripts and loads nothing; the two show the same."""
    async with asking() as ask:
        shown = await ask.get("/debug")
        assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
        assert "Refresh" not in shown.headers
        assert "<script" not in shown.text
        found = json.loads((await ask.get("/debug.json")).text)
        for section in found.keys() - {"headline"}:
            assert f'id="{section}"' in shown.text
        for same in (await ask.get("/debug?format=json"), await ask.get("/debug", Accept="application/json")):
            assert json.loads(same.text).keys() == found.keys()
            assert same.headers["Content-Type"].startswith("application/json")


async def test_the_style_of_the_page_is_the_one_that_its_policy_allows() -> None:
    """And nothing else: neither a script nor a picture from elsewhere, nor a form that leads away."""
    async with asking() as ask:
        shown = await ask.get("/debug")
    policy = dict(rule.strip().split(" ", 1) for rule in shown.headers["Content-Security-Policy"].split(";"))
    style = shown.text.partition("<style>")[2].partition("</style>")[0]
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}'",
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


async def test_the_root_leads_to_the_debug_page() -> None:
    """By a path beside it, so that it works below a prefix of a proxy too."""
    async with asking() as ask:
        led = await ask.send("GET", "/", redirect=False)
        assert (led.status, led.headers["Location"]) == (302, "debug")
        assert "All is well" in (await ask.get("/")).text


async def test_a_page_comes_anew_only_where_that_is_asked_for() -> None:
    async with asking() as ask:
        assert (await ask.get("/debug?refresh=5")).headers["Refresh"] == "5"
        for path in ("/debug?refresh=0", "/debug?refresh=soon", f"/debug.json?key={'x' * 600}"):
            assert (await ask.get(path)).status == 400


async def test_the_page_of_a_key_that_nobody_knows() -> None:
    """404 with a way back, and as JSON; a page of no key is asked for in vain."""
    async with World(greeting(), kinds=[GREETINGS]) as world, asking(world.manage(greeter())) as ask:
        shown = await ask.get("/debug/key?controller=greetings&key=demo/a")
        assert (shown.status, "Nothing is known of this key" in shown.text) == (404, True)
        same = await ask.get("/debug/key?controller=greetings&key=demo/a", Accept="application/json")
        assert (same.status, json.loads(same.text)["error"]) == (
            404,
            "The controller greetings neither caches nor has lately run demo/a.",
        )
        for path in ("/debug/key", "/debug/key?key=demo/a", "/debug/key?controller=net"):
            refused = await ask.get(path)
            assert (refused.status, "controller=NAME&key=NAMESPACE/NAME" in refused.text) == (400, True)


async def test_a_controller_that_there_is_not_is_no_empty_page() -> None:
    """404, and which ones there are; of a key's page too, and as JSON."""
    async with World(greeting(), kinds=[GREETINGS]) as world, asking(world.manage(greeter())) as ask:
        for path in ("/debug?controller=nope", "/debug/key?controller=nope&key=demo/a"):
            shown = await ask.get(path)
            assert (shown.status, "There is no such controller" in shown.text) == (404, True)
            same = await ask.get(f"{path}&format=json")
            assert (same.status, json.loads(same.text)) == (
                404,
                {"error": "There is no controller nope here; there is greetings."},
            )
        assert (await ask.get("/debug.json?controller=nope")).status == 404
        assert (await ask.get("/debug?format=xml")).status == 400


async def test_the_page_of_a_key_of_a_program_at_work() -> None:
    async with World(greeting(), kinds=[GREETINGS]) as world:
        manager = world.manage(greeter())
        await world.settle()
        async with asking(manager) as ask:
            assert "key=demo%2Fhello" in (await ask.get("/debug?key=hello")).text
            shown = await ask.get("/debug/key?controller=greetings&key=demo/hello")
            assert (shown.status, "<h1" in shown.text, "configmaps/" in shown.text) == (200, True, True)
            found = json.loads((await ask.get("/debug/key?controller=greetings&key=demo/hello&format=json")).text)
            assert found["key"]["state"] == "idle"


async def test_an_answer_that_fails_is_told_and_the_next_one_comes() -> None:
    class Broken:
        elector = sharding = webhook_server = None
        checks, settings, controllers = Checks(), dict[str, object](), ()

        @property
        def informers(self) -> object:
            raise KeyError("informers")

    with capture_logs() as lines:
        async with asking(Broken()) as ask:
            assert (await ask.get("/metrics")).status == 500
            assert "KeyError" not in (await ask.get("/debug")).text
            assert (await ask.get("/healthz")).status == 200
    failed = [line for line in lines if line["event"] == "endpoint_failed"]
    assert [line["path"] for line in failed] == ["/metrics", "/debug"]
    assert all(isinstance(line["exc_info"], KeyError) for line in failed)


@pytest.mark.real_time
async def test_on_the_real_clock_too() -> None:
    """As in production: asyncio's own loop, its threads, its sockets."""
    async with asking() as ask:
        assert (await ask.get("/healthz")).text == "ok\n"
        assert "process_open_fds" in (await ask.get("/metrics")).text
        assert (await ask.get("/debug")).status == 200


@pytest.mark.real_time
def test_who_serves_nothing_pays_for_nothing() -> None:
    """HTTP and Prometheus are imported when a manager begins to serve."""
    program = "import sys, ctrlkit.manager; print({'aiohttp', 'prometheus_client'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---- where ----------------------------------------------------------------------------------------------------------


async def test_an_address_that_is_taken_is_a_configuration_error() -> None:
    async with asking() as ask:
        with pytest.raises(ConfigError, match=rf"^serve endpoints at {ask.address}: the port is taken; choose another"):
            async with serve(standing(), Endpoints(address=ask.address)):
                pass


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no-such-host.invalid:0"])
async def test_an_address_that_is_not_here_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigError, match=rf"^serve endpoints at {address}: .*; choose another address$"):
        async with serve(standing(), Endpoints(address=address)):
            pass


async def test_nothing_listens_afterwards() -> None:
    """The port is free for the next manager at once, also while a client keeps its connection."""
    async with aiohttp.ClientSession() as session:
        async with serve(standing(), ANY) as address, session.get(f"http://{address}/healthz") as answer:
            await answer.read()
        async with serve(standing(), Endpoints(address=address)) as again:
            assert again == address


async def test_ipv6_has_brackets() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        async with asking(options=Endpoints(address="[::1]:0")) as ask:
            assert ask.address.startswith("[::1]:")
            assert (await ask.get("/debug.json")).status == 200
    except ConfigError:
        pytest.skip("no IPv6 here")


@pytest.mark.behaviour("M10")
async def test_limits() -> None:
    """A header block ends at 1 MiB, a header at 8 KiB, a body at 1 KiB; a connection that idles is closed."""
    async with asking() as ask:
        assert (await ask.send("PUT", "/debug/log-level", body="x" * 2000)).status == 413
        assert (await ask.get("/healthz", X_Long="x" * 9000)).status == 400
        host, _, port = ask.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
        began = asyncio.get_running_loop().time()
        assert await reader.read() == b""
        assert 85 <= asyncio.get_running_loop().time() - began <= 95
        writer.close()
        await writer.wait_closed()


# ---- for whom -------------------------------------------------------------------------------------------------------


def write(path: Path, content: str | None) -> None:
    """Put this into a file; None takes it away."""
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    return path


async def test_a_token_guards_metrics_and_debug_and_not_health(token_file: Path) -> None:
    """401 says how to come again; a wrong token is no better than none."""
    manager = standing()
    manager.checks.add("disk", lambda: "no disk", kind=CheckKind.READYZ)
    async with asking(manager, Endpoints(address="127.0.0.1:0", token_file=str(token_file))) as ask:
        right, wrong = {"Authorization": "Bearer s3cret"}, {"Authorization": "Bearer s3cre"}
        for path in ("/metrics", "/", "/debug", "/debug.json", "/debug/key", "/debug/log-level"):
            refused = await ask.get(path)
            bearer, _, basic = refused.headers["WWW-Authenticate"].partition(", ")
            assert (refused.status, bearer) == (401, 'Bearer realm="ctrlkit"')
            assert basic == ("" if path == "/metrics" else 'Basic realm="ctrlkit: any name, and the token as password"')
            refused = await ask.get(path, **wrong)
            assert refused.status == 401
            assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
            assert (await ask.get(path, **right)).status == (400 if path == "/debug/key" else 200)
        assert (await ask.send("PUT", "/debug/log-level", body="debug")).status == 401
        for sent in (b"anybody:s3cre", b"s3cret", b"s3cret:", b":", b""):
            assert (await ask.get("/debug", Authorization=f"Basic {b64encode(sent).decode()}")).status == 401
        for malformed in ("Basic s3cret", "Basic ?", "Basic", "Digest s3cret", "Basic Zürich"):
            assert (await ask.get("/metrics", Authorization=malformed)).status == 401
        for sent in (b"anybody:s3cret", b":s3cret"):
            assert (await ask.get("/debug", Authorization=f"Basic {b64encode(sent).decode()}")).status == 200
        assert (await ask.get("/metrics", Authorization="bearer s3cret")).status == 200
        assert "disk failed: reason withheld" in (await ask.get("/readyz")).text
        assert "disk failed: no disk" in (await ask.get("/readyz", **right)).text
        assert (await ask.get("/healthz")).status == 200


async def test_a_token_is_read_again_when_its_file_changes(token_file: Path) -> None:
    """While there is none nobody is let in, and no line holds one."""
    options = Endpoints(address="127.0.0.1:0", token_file=str(token_file))
    old, new = "Bearer s3cret", "Bearer other-one"
    with capture_logs() as lines:
        async with asking(options=options) as ask:
            write(token_file, "other-one")
            assert (await ask.get("/metrics", Authorization=old)).status == 401
            assert (await ask.get("/metrics", Authorization=new)).status == 200
            write(token_file, " \n")
            assert (await ask.get("/metrics", Authorization=new)).status == 401
            assert (await ask.get("/metrics", Authorization="Bearer ")).status == 401
            write(token_file, None)
            assert (await ask.get("/metrics", Authorization=new)).status == 401
            write(token_file, "other-one")
            assert (await ask.get("/metrics", Authorization=new)).status == 200
    told = [line["event"] for line in lines if line["event"].startswith("token")]
    assert told == ["token_renewed", "token_not_renewed", "token_not_renewed", "token_renewed"]
    assert "other-one" not in repr(lines)


@pytest.mark.parametrize(("content", "why"), [(None, "No such file or directory"), ("\n", "the file is empty")])
async def test_a_token_that_is_not_there_is_a_configuration_error(
    tmp_path: Path, content: str | None, why: str
) -> None:
    path = tmp_path / "token"
    write(path, content)
    with pytest.raises(ConfigError, match=rf"^read the endpoints' token in {path}: {why}; write one there"):
        async with serve(standing(), Endpoints(address="127.0.0.1:0", token_file=str(path))):
            pass


async def test_without_a_token_other_machines_may_not_see_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics and health they may; who forwards a port comes from this machine."""
    manager = standing()
    manager.checks.add("disk", lambda: "no disk", kind=CheckKind.READYZ)
    monkeypatch.setattr(access, "is_loopback", lambda _host: False)
    async with asking(manager) as ask:
        for path in ("/", "/debug", "/debug.json", "/debug/key", "/debug/log-level"):
            refused = await ask.get(path)
            assert refused.status == 403
            assert "kubectl port-forward" in refused.text
        assert (await ask.send("PUT", "/debug/log-level", body="debug")).status == 403
        assert (await ask.get("/metrics")).status == 200
        assert "reason withheld" in (await ask.get("/readyz/disk")).text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost:8080", 200), ("LOCALHOST", 200), ("127.0.0.1:8080", 200), ("[::1]:8080", 200), ("[::1]", 200)),
        *(("localhost.", 200), ("localhost.:8080", 200), ("127.8.8.8", 200), ("[::ffff:127.0.0.1]:8080", 200)),
        *(("[0:0:0:0:0:0:0:1]", 200), ("[::FFFF:7f00:1]", 200)),
        *(("evil.example:8080", 403), ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 403)),
        *(("8.8.8.8", 403), ("8.8.8.8:8080", 403), ("10.0.0.7:8080", 403), ("0.0.0.0:8080", 403), ("[::]", 403)),
        *(("[::ffff:8.8.8.8]", 403), ("[fe80::1]", 403), ("[2001:db8::1]:80", 403), ("a.localhost", 403)),
        *(("2130706433", 403), ("0x7f000001", 403), ("0x7f.1", 403), ("127.1", 403), ("0177.0.0.1", 403)),
        *(("127.0.0.1.", 403), ("localhost..", 403), ("localhost:", 403), ("localhost:80a", 403), ("::1", 403)),
        *(("localhost:80:80", 403), ("[::1]evil.example", 403), ("[127.0.0.1]", 403), ("a@localhost", 403)),
        *(("localhost,evil.example", 403), ("localhost/", 403), (".localhost", 403), ("[::1", 403)),
    ],
)
async def test_a_page_whose_name_was_led_here_may_not_see_debug(host: str, status: int) -> None:
    """The browser on this machine asks in the name of the page, which it may then read; metrics are for everybody."""
    async with asking() as ask:
        assert (await ask.get("/debug.json", Host=host)).status == status
        assert (await ask.send("PUT", "/debug/log-level", headers={"Host": host}, body="loud")).status in (400, 403)
        assert (await ask.get("/metrics", Host=host)).status == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /debug.json HTTP/1.1\r\nHost: localhost", 200),
        ("GET /debug.json HTTP/1.0", 403),
        ("GET /debug.json HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 8.8.8.8\r\nForwarded: for=8.8.8.8", 200),
        ("GET /debug.json HTTP/1.1\r\nHost: 8.8.8.8\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: localhost", 403),
        ("GET http://8.8.8.8/debug.json HTTP/1.1\r\nHost: localhost", 403),
        ("GET http://localhost/debug.json HTTP/1.1\r\nHost: 8.8.8.8", 403),
        ("GET http://localhost:8080/debug.json HTTP/1.1\r\nHost: localhost", 200),
    ],
)
async def test_a_request_says_in_one_way_whom_it_was_meant_for(head: str, status: int) -> None:
    """Host and target, if that has one, both name loopback; no Host is none; what a proxy adds counts for nothing."""
    async with asking() as ask:
        name, _, port = ask.address.rpartition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == str(status).encode()
        writer.close()
        await writer.wait_closed()


async def test_two_headers_that_name_a_host_are_refused() -> None:
    """By the parser already, or as not meant for this machine."""
    async with asking() as ask:
        name, _, port = ask.address.rpartition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(b"GET /debug.json HTTP/1.1\r\nHost: localhost\r\nHost: 8.8.8.8\r\nConnection: close\r\n\r\n")
        assert (await reader.readline()).split()[1] in (b"400", b"403")
        writer.close()
        await writer.wait_closed()


async def test_what_others_can_reach_is_told_with_its_risk(token_file: Path) -> None:
    """One warning, where nothing keeps strangers out; none on loopback."""
    with capture_logs() as lines:
        async with asking():
            pass
        async with asking(options=Endpoints(address="0.0.0.0:0")):
            pass
        async with asking(options=Endpoints(address="0.0.0.0:0", token_file=str(token_file))):
            pass
    risks = [line["risk"] for line in lines if line["event"] == "endpoints_exposed"]
    assert risks == [
        "whoever reaches this address may read the metrics; give a token file",
        "the token travels unencrypted; give a TLS certificate",
    ]
    serving = [(line["tls"], line["token"]) for line in lines if line["event"] == "endpoints_serving"]
    assert serving == [(False, False), (False, False), (False, True)]
    pages = [line["debug_page"] for line in lines if line["event"] == "endpoints_serving"]
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+/debug", each) for each in pages)


PATH = "/debug/log-level"


@pytest.fixture
def configured() -> Iterator[None]:
    """Logging as `run` configures it."""
    configure_logging(LogFormat.JSON)
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("body", ["debug", " DEBUG\n", '"debug"', '{"level": "debug"}'])
async def test_the_level_is_shown_and_set(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Text or JSON; the next line is written accordingly."""
    log = logger("wire")
    async with asking() as ask:
        shown = json.loads((await ask.get(PATH)).text)
        assert shown == {"level": "info", "levels": ["debug", "info", "warning", "error"]}
        log.debug("unseen")
        answer = await ask.send("PUT", PATH, body=body)
        assert (answer.status, json.loads(answer.text)) == (200, {"level": "debug", "before": "info"})
        log.debug("seen")
        assert json.loads((await ask.get(PATH)).text)["level"] == "debug"
        assert json.loads((await ask.get("/debug.json")).text)["program"]["log_level"] == "debug"
    written = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert written == ["endpoints_serving", "log_level_changed", "seen"]


@pytest.mark.usefixtures("configured")
async def test_each_change_is_told_whichever_way_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    """Also the one after which nothing less than an error is written."""
    async with asking() as ask:
        for level in ("error", "warning", "error", "debug"):
            await ask.send("PUT", PATH, body=level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    changes = [(line["before"], line["to"]) for line in lines if line["event"] == "log_level_changed"]
    assert changes == [("info", "error"), ("error", "warning"), ("warning", "error"), ("error", "debug")]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("body", ["verbose", "", "{}", "[]", "null", '{"level": 10}', "<b>"])
async def test_what_is_no_level_is_400_and_names_those_there_are(body: str) -> None:
    async with asking() as ask:
        refused = await ask.send("PUT", PATH, body=body)
        assert refused.status == 400
        assert "is no log level; send one of debug, info, warning, error" in refused.text
        assert refused.headers["Content-Type"].startswith("text/plain")
        assert log_level() is LogLevel.INFO


async def test_logging_that_the_program_configured_itself_is_left_alone() -> None:
    """409, and GET says that the level is not known."""
    async with asking() as ask:
        assert json.loads((await ask.get(PATH)).text)["level"] is None
        refused = await ask.send("PUT", PATH, body="debug")
        assert refused.status == 409
        assert "configured structlog itself" in refused.text
