# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint for monitoring programs, as a real Prometheus reads it (METRICS)."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Any

import machine
import pytest
import spindle
from conftest import Headless

SECRETS = ("Nobody's business", "hidden_function", "/no/such/folder", "a client's name")
"""What the requests below say, and no page may tell."""

EXPECTED = {
    'up{job="spindle"}': 1,
    'spindle_requests_total{method="ping",outcome="ok"}': 3,
    'spindle_requests_total{method="script.run",outcome="ok"}': 2,
    'spindle_requests_total{method="script.run",outcome="raised"}': 1,
    'spindle_requests_total{method="object.get",outcome="not_found"}': 1,
    'spindle_requests_total{method="object.create",outcome="invalid_params"}': 1,
    'spindle_requests_total{method="other",outcome="method_not_found"}': 1,
    'spindle_messages_refused_total{class="header"}': 1,
    'spindle_messages_refused_total{class="unknown"}': 1,
    'spindle_validation_failures_total{kind="invalid_params"}': 1,
    'spindle_request_running_seconds_count{method="script.run"}': 3,
    "spindle_health_check_failures_total": 0,
    "spindle_healthy": 1,
    "sum(spindle_state)": 1,
    "spindle_connections": 1,
}
"""Queries, and what each comes to once the requests below have been made."""


def free_port() -> int:
    """A port that nobody listens on."""
    with create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    """The status and the body of a page."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@contextmanager
def watched(runtime_dir: Path) -> Iterator[tuple[Headless, int]]:
    """A Blender with an endpoint, and the endpoint's port."""
    port = free_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPINDLE_METRICS_PORT", str(port))
        environment.setenv("SPINDLE_RUNTIME_DIR", str(runtime_dir))
        blender = Headless(runtime_dir)
        try:
            yield blender, port
        finally:
            blender.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The endpoint of a Blender that has answered, refused and failed requests, whose client is still there."""
    with watched(tmp_path_factory.mktemp("metrics")) as (blender, port), blender.connect(SECRETS[3]) as client:
        make_requests(client)
        yield port


def make_requests(client: spindle.Blender) -> None:
    for _ in range(3):
        client.call("ping")
    client.run("1 + 1", label=SECRETS[0])
    client.run(f"def {SECRETS[1]}(): pass")
    client.run(f"open({SECRETS[2]!r})", check=False)
    for method, params in [
        ("object.get", {"name": SECRETS[0]}),
        ("object.create", {"kind": SECRETS[1]}),
        (SECRETS[0], {}),
    ]:
        with pytest.raises(spindle.SpindleError):
            client.call(method, params)


@pytest.fixture
def prometheus(port: int, tmp_path: Path) -> Iterator[int]:
    """The port of a Prometheus that reads the page each second."""
    program = tool("prometheus")
    scrape = {"job_name": "spindle", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    config = tmp_path / "prometheus.yml"
    # JSON is YAML.
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    own, log = free_port(), tmp_path / "log"
    options = [
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{own}",
    ]
    with log.open("wb") as output, subprocess.Popen([program, *options], stderr=output) as process:
        yield own
        # pytest shows this beside a failure.
        print(f"Prometheus's exit status was {process.poll()}; its last words:\n{log.read_text()[-2000:]}")
        process.kill()


def tool(name: str) -> Path:
    """A program of Prometheus; without it the test is skipped, or fails where it is demanded."""
    found = machine.prometheus(name)
    if found is None:
        missing = f"{name} is not on this machine; scripts/provision prometheus installs it"
        (pytest.fail if "prometheus" in machine.required() else pytest.skip)(missing)
    return found


def query(port: int, text: str) -> float | None:
    """What Prometheus makes of a query; None while there is no sample of it, or no Prometheus yet."""
    try:
        status, body = get(port, "/api/v1/query?" + urllib.parse.urlencode({"query": text}))
    except urllib.error.URLError:
        return None
    assert status in (200, 503), body
    result: list[Any] = json.loads(body)["data"]["result"] if status == 200 else []
    return float(result[0]["value"][1]) if result else None


def test_prometheus_reads_what_happened(prometheus: int) -> None:
    until = time.monotonic() + 60
    while query(prometheus, 'up{job="spindle"}') != 1 and time.monotonic() < until:
        time.sleep(0.2)
    found = {text: query(prometheus, text) for text in EXPECTED}
    assert found == EXPECTED
    median = query(prometheus, 'histogram_quantile(0.5, spindle_request_running_seconds_bucket{method="script.run"})')
    assert median is not None and 0 < median < 60


def test_the_page_keeps_the_rules_of_prometheus(port: int) -> None:
    status, page = get(port, "/metrics")
    assert status == 200
    checked = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_pages_tell_no_secrets(port: int) -> None:
    _, page = get(port, "/metrics")
    assert "spindle_requests_total" in page
    assert not [secret for secret in SECRETS if secret in page]


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/healthz", {}, (200, "ok\n")),
        ("/readyz", {}, (200, "ready\n")),
        ("/", {}, (404, "there are /metrics, /healthz and /readyz\n")),
        ("/metrics", {"Origin": "https://example.org"}, (403, "web pages may not read this\n")),
    ],
)
def test_pages(port: int, path: str, headers: dict[str, str], expected: tuple[int, str]) -> None:
    """HEALTH: whether it is well, without a token; and not for web pages."""
    assert get(port, path, **headers) == expected


def test_other_hosts_names_are_refused(port: int) -> None:
    status, text = get(port, "/metrics", Host="rebound.example")
    assert status == 421 and "spindle_" not in text


def test_pages_while_blender_is_busy(tmp_path: Path) -> None:
    """HEALTH: the endpoint needs no main thread, and what is known to keep it does not alarm."""
    with watched(tmp_path) as (blender, port), blender.connect() as client:
        script = threading.Thread(target=client.run, args=("import time; time.sleep(2)",))
        script.start()
        while get(port, "/readyz") != (200, "busy\n"):
            assert script.is_alive()
        began = time.monotonic()
        assert get(port, "/healthz") == (200, "ok\n")
        assert 'spindle_state{state="busy"} 1' in get(port, "/metrics")[1]
        assert time.monotonic() - began < 0.5
        script.join()
        assert get(port, "/readyz") == (200, "ready\n")
