"""Declarations of images are read from files, and what is wrong in one is named with the next step."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from ctrlkit.errors import ConfigError
from ctrlkit.fakes.cluster.node.images import NEVER_S, CommandAnswer, Exits, Image, Line, Program, Pull
from ctrlkit.fakes.cluster.node.images.files import read_images

EVERYTHING = """
web:2: {pull: {error: not found, failures: 2, takes_s: 1.5, size_bytes: 9, preloaded: true}, refuses: "no"}
example.com/web:
  ready_after_s: 20
  ports: [80, 8080]
  probes: {/healthz: [true, 503, ...], 8080: false, check: 1}
  logs: [starting, {text: ready, after_s: 20, every_s: 60}]
  exits: {1: {code: 1, message: lost}, 2: {oom: true, after_s: 30}, 3: {signal: 11}}
  stops: {after_s: never}
  execs: {ls: "a b", "ls -l": 2, df: {output: x, error: z, exit_code: 1, takes_s: 3}}
  shell: true
  command: [sh]
  pages: {/: hello}
  access_log: /logs/a
"*": {probes: [true, false, "..."], exits: {code: 3, after_s: 60, reason: Error}}
echo:
  entry: /bin/echo
  programs: {/bin/echo: {argv: [/bin/echo], own: [-n], flags: {-e: ""}, paths: {/a: /b}, commands: {hello: "[a-z]*"}}}
  settings: {USER: bob}
  files: {a.conf: "user={USER}"}
  folders: [data]
  mounts: {/data: data}
  environment: {LANG: C}
"""

READ = {
    "web:2": Image(
        pull=Pull(error="not found", failures=2, takes_s=1.5, size_bytes=9, preloaded=True),
        refuses="no",
    ),
    "example.com/web": Image(
        ready_after_s=20,
        ports=(80, 8080),
        probes={"/healthz": [True, 503, ...], 8080: False, "check": 1},
        logs=("starting", Line("ready", after_s=20, every_s=60)),
        exits={1: Exits(1, message="lost"), 2: Exits.oom(after_s=30), 3: Exits.by_signal(11)},
        stops=Exits(after_s=NEVER_S),
        execs={"ls": "a b", "ls -l": 2, "df": CommandAnswer(output="x", error="z", exit_code=1, takes_s=3)},
        shell=True,
        command=("sh",),
        pages={"/": "hello"},
        access_log="/logs/a",
    ),
    "*": Image(probes=[True, False, ...], exits=Exits(3, after_s=60, reason="Error")),
    "echo": Image(
        entry="/bin/echo",
        programs={
            "/bin/echo": Program(
                argv=("/bin/echo",), own=("-n",), flags={"-e": ""}, paths={"/a": "/b"}, commands={"hello": "[a-z]*"}
            )
        },
        settings={"USER": "bob"},
        files={"a.conf": "user={USER}"},
        folders=("data",),
        mounts={"/data": "data"},
        environment={"LANG": "C"},
    ),
}


def test_a_file_says_all_that_needs_no_python(tmp_path: Path) -> None:
    """With the fields of Image and of what it holds."""
    file = tmp_path / "images.yaml"
    file.write_text(EVERYTHING)
    assert dict(read_images(file)) == READ


def test_every_field_can_be_said_in_a_file() -> None:
    """Besides what is a function; the test above has each of them."""
    said = {
        field.name for field in fields(Image) if any(getattr(one, field.name) != field.default for one in READ.values())
    }
    assert said == {field.name for field in fields(Image)} - {"make"}


def test_a_file_may_be_json(tmp_path: Path) -> None:
    """Whose keys are texts."""
    file = tmp_path / "images.json"
    file.write_text(json.dumps({"web": {"exits": {"3": {"code": 1}}, "probes": {"8080": ["x", "..."]}}}))
    assert dict(read_images(file)) == {"web": Image(exits={3: Exits(1)}, probes={8080: ["x", ...]})}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[web]", "read the images FILE: it is ['web']; write a mapping of names to declarations"),
        ("", "read the images FILE: there is none in it; write a mapping of names to declarations"),
        ("# web\n---\n", "read the images FILE: there is none in it; write a mapping"),
        ("{}", "read the images FILE: there is none in it; write a mapping"),
        ("web: [", "read the images FILE: it is no YAML: "),
        ("web: 3", "image web: it is 3; write a mapping, with some of pull, refuses, "),
        ("web: {pul: {}}", "image web, field pul: there is no such field; those are: pull, refuses, "),
        ("web: {pull: {eror: x}}", "image web, field pull.eror: there is no such field; those are: takes_s, error, "),
        (
            "web: {pull: {takes_s: soon}}",
            "field pull.takes_s: it is 'soon'; write a number of seconds, from 0 to 1000000000, or never",
        ),
        ("web: {pull: {takes_s: -1}}", "field pull.takes_s: it is -1; write a number of seconds, from 0 to "),
        (f"web: {{ready_after_s: 1{'0' * 400}}}", "field ready_after_s: it is '1000000"),
        ("web: {execs: {ls: {takes_s: 1e300}}}", "field execs.ls.takes_s: it is 1e+300; write a number of seconds"),
        (f"web: {{pull: {{size_bytes: 1{'0' * 400}}}}}", "000...; write a whole number"),
        (f"web: {{pull: {{size_bytes: {2**63}}}}}", "size_bytes is 9223372036854775808; write a size, below 2**63"),
        (f"web: {{ports: [1{'0' * 5000}]}}", "image web, field ports[0]: it is '10000"),
        (f'{{"web": {{"ports": [1{"0" * 5000}]}}}}', "image web, field ports[0]: it is '10000"),
        (f"web: {{logs: {'[' * 3000}{']' * 3000}}}", "field logs[0]: it is nested too deep; write a mapping"),
        (f"web: {{logs: {'[' * 12_000}{']' * 12_000}}}", "it is no YAML: exceeded max depth of 10000"),
        ("web: {logs: [{text: a, every_s: 1e-9}]}", "every_s is 1e-09; write 0 for once, or 0.001 seconds or more"),
        ("web: {probes: {70000: true}}", "a port that is probed is 70000; write a number from 1 to 65535"),
        ("web: {probes: {-1: true}}", "a port that is probed is -1; write a number from 1 to 65535"),
        ("web: {probes: {/a: [1000]}}", "an answer to a probe is 1000; write a status or an exit code, from 0 to 999"),
        ("web: {exits: {signal: 900}}", "signal is 900; write a signal"),
        ("web: {exits: {code: 1, signal: 9}}", "signal 9 ends it with code 137, not 1; say one of them"),
        ("web: {exits: {code: 1, oom: true}}", "oom says code, signal and reason; say after_s beside it alone"),
        ("web: {execs: {ls: 300}}", "the answer to a command is 300; write an exit code, from 0 to 255"),
        ("web: {execs: {ls: {exit_code: 300}}}", "exit_code is 300; write an exit code, from 0 to 255"),
        ("web: {pages: {index: x}}", "a page's path is 'index'; write one that begins with /"),
        ("web: {programs: {/x: {argv: []}}}", "argv of /x is (); write what starts it on this machine"),
        ("web: {programs: {/x: {argv: [a]}}, entry: /y}", "entry is '/y'; write one of /x"),
        ("web: {pull: {failures: -1}}", "field pull.failures: it is -1; write 0 or more"),
        ("web: {ports: 80}", "field ports: it is 80; write a list"),
        ("web: {ports: [0]}", "field ports[0]: it is 0; write a port, from 1 to 65535"),
        ("web: {probes: {/a: [{}]}}", "field probes./a[0]: it is {}; write true, false, an HTTP status or exit code"),
        ("web: {logs: [{after_s: 1}]}", "field logs[0]: it has after_s alone; say the others too"),
        ("web: {logs: [1]}", "field logs[0]: it is 1; write a mapping, with some of text, after_s, every_s"),
        ("web: {exits: {1: {oom: 1}}}", "field exits.1.oom: it is 1; write true or false"),
        ("web: {execs: {ls: [1]}}", "field execs.ls: it is [1]; write a mapping, with some of output, error, "),
        ("web: {entry: /x}", "image web: declare an image: entry cannot be said here; choose programs of this machine"),
        ("web: {programs: {/x: {}}}", "field programs./x: it has nothing alone; say the others too"),
        ("Web: {}", "image Web: declare the image 'Web': invalid reference format: "),
        ("web: {}\nweb: {}", "read the images FILE: it is no YAML: "),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """The file, the image, the field, the fact, and what to write."""
    file = tmp_path / "images.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_images(file)
    told = str(refused.value)
    assert told.startswith(f"read the images {file}: ")
    assert said.replace("FILE", str(file)) in told


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """And what to do."""
    with pytest.raises(ConfigError, match=r"read the images .*none\.yaml: No such file or directory; name a file"):
        read_images(tmp_path / "none.yaml")
