"""The HTTP endpoint, over real connections."""

import http.client
import io
import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from forecaster.daemon import endpoint as module
from forecaster.daemon.endpoint import AT_ONCE, Endpoint, open_endpoint
from forecaster.daemon.health import Health
from forecaster.errors import ForecasterError
from forecaster.ledger import open_ledger
from forecaster.logs import LOG, start_logging, stop_logging
from forecaster.market import Calendars

from .standing import FRIDAY, SATURDAY, fill, schedule, settings_of, work

WELL = Health((), {"disk": None})
ILL = Health(("the daemon died",), {"disk": None})


class Standing:
    """How the program stands, as the tests want it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Be as well as ever."""
        self.health, self.asked = WELL, 0
        self.waiting: Event | None = None

    def __call__(self) -> Health:
        """Return it, after having waited if told so."""
        self.asked += 1
        if self.waiting:
            self.waiting.wait(10)
        return self.health


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[Endpoint, Standing]]:
    """An endpoint for all tests of this file: one takes half a second to end."""
    standing = Standing()
    opened = Endpoint(0, standing, lambda: (b"forecaster_runs 1\n", "text/plain")).start()
    yield opened, standing
    opened.close()


@pytest.fixture
def endpoint(_served: tuple[Endpoint, Standing], standing: Standing) -> Endpoint:
    """An endpoint on a free port."""
    return _served[0]


@pytest.fixture
def standing(_served: tuple[Endpoint, Standing]) -> Standing:
    """All is well, unless a test says otherwise."""
    _served[1].reset()
    return _served[1]


def get(
    port: int, path: str, *, method: str = "GET", host: str | None = "localhost"
) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def raw(port: int, request: bytes) -> bytes:
    """Return what is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_health_is_answered_by_status_and_document(endpoint: Endpoint, standing: Standing) -> None:
    """200 if all is well, else 503; the document is that of `forecaster health --json`."""
    status, headers, body = get(endpoint.port, "/healthz")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"ok": True, "problems": [], "disk": None}
    standing.health = ILL
    status, _, body = get(endpoint.port, "/healthz?verbose=1")
    assert (status, json.loads(body)["problems"]) == (503, ["the daemon died"])


def test_metrics_are_answered(endpoint: Endpoint) -> None:
    """As Prometheus reads them."""
    assert get(endpoint.port, "/metrics")[::2] == (200, "forecaster_runs 1\n")


def test_without_the_library_it_is_said_how_to_install_it(standing: Standing) -> None:
    """501 and one line."""
    opened = Endpoint(0, standing, None).start()
    status, _, body = get(opened.port, "/metrics")
    opened.close()
    assert (status, body.count("\n")) == (501, 1)
    assert "pip install 'forecaster[metrics]'" in body


@pytest.mark.parametrize("path", ["/", "/healthz/", "/../healthz", "/config", "*"])
def test_everything_else_is_not_there(endpoint: Endpoint, path: str) -> None:
    """There are two addresses."""
    assert get(endpoint.port, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_nothing_can_be_done_but_read(endpoint: Endpoint, method: str) -> None:
    """Other methods are not known."""
    assert get(endpoint.port, "/healthz", method=method)[0] == 501


def test_an_answer_may_be_asked_for_without_its_body(endpoint: Endpoint) -> None:
    """HEAD tells the status."""
    status, headers, body = get(endpoint.port, "/healthz", method="HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:1234", 200), ("127.0.0.1", 200), ("127.0.0.1:80", 200),
        ("[::1]", 200), ("[::1]:80", 200),
        ("evil.example", 403), ("localhost.evil.example", 403), ("127.0.0.1.evil.example:80", 403),
        ("localhost:80@evil.example", 403), ("", 403), (None, 403), ("127.0.0.2", 403),
        ("[::1].evil.example", 403), ("localhost:", 403), ("0.0.0.0", 403),
    ],
)  # fmt: skip
def test_a_page_whose_name_leads_here_is_refused(
    endpoint: Endpoint, standing: Standing, host: str | None, status: int
) -> None:
    """A browser that was rebound to this address still says the name of the page."""
    assert get(endpoint.port, "/healthz", host=host)[0] == status
    assert standing.asked == (status == 200)


def test_two_hosts_are_refused(endpoint: Endpoint) -> None:
    """Nobody honest sends two."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"
    assert raw(endpoint.port, request).startswith(b"HTTP/1.0 403")


@pytest.mark.parametrize(
    "request_",
    [b"\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n",
     b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET /healthz\r\n\r\n", b"",
     b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n"],
)  # fmt: skip
def test_what_is_no_request_harms_nothing(
    endpoint: Endpoint, request_: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused, nothing is printed, and the next one is answered."""
    assert b"200" not in raw(endpoint.port, request_)[:15]
    assert get(endpoint.port, "/healthz")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_nothing_tells_which_program_answers(endpoint: Endpoint) -> None:
    """There is no banner, also where a request is refused."""
    for request in (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"NONSENSE\r\n\r\n"):
        answer = raw(endpoint.port, request).lower()
        assert answer
        assert b"server:" not in answer
        assert b"python" not in answer


def test_it_listens_on_this_machine_alone(endpoint: Endpoint) -> None:
    """Nobody else can reach it."""
    assert endpoint._server.server_address[0] == "127.0.0.1"


def test_what_is_asked_is_not_logged(endpoint: Endpoint) -> None:
    """A query may hold anything."""
    text = io.StringIO()
    start_logging(None, 1, stream=text, terminal=False)
    try:
        get(endpoint.port, "/healthz?token=canary")
        get(endpoint.port, "/canary")
    finally:
        stop_logging()
    assert text.getvalue() == ""


def test_a_failure_is_answered_and_logged(endpoint: Endpoint, standing: Standing) -> None:
    """500 without a traceback; the log has it."""
    standing.health = None  # type: ignore[assignment]
    text = io.StringIO()
    start_logging(None, 1, stream=text, terminal=False)
    try:
        status, _, body = get(endpoint.port, "/healthz")
    finally:
        stop_logging()
    assert (status, body) == (500, "AttributeError; the log says more\n")
    assert "Traceback" in json.loads(text.getvalue())["traceback"]


def test_who_says_nothing_is_hung_up_on(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection without a request does not stay."""
    monkeypatch.setattr(module._Handler, "timeout", 0.05)
    opened = Endpoint(0, standing, None).start()
    with socket.create_connection(("127.0.0.1", opened.port), timeout=10) as connection:
        assert connection.recv(100) == b""
    opened.close()


def test_many_at_once_take_few_threads(endpoint: Endpoint, standing: Standing) -> None:
    """Who comes when all are busy is hung up on, and later ones are answered again."""
    standing.waiting = Event()
    answers: list[int] = []

    def ask() -> None:
        try:
            answers.append(get(endpoint.port, "/healthz")[0])
        except (OSError, http.client.HTTPException):
            answers.append(0)

    threads = [Thread(target=ask) for _ in range(3 * AT_ONCE)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(answers) < 2 * AT_ONCE and time.monotonic() < deadline:
        Event().wait(0.01)
    assert answers == [0] * (2 * AT_ONCE)
    standing.waiting.set()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0] * (2 * AT_ONCE) + [200] * AT_ONCE
    assert get(endpoint.port, "/healthz")[0] == 200


def test_a_port_that_is_taken_is_refused(endpoint: Endpoint, standing: Standing) -> None:
    """In one line that names the setting; the next start may find it free."""
    with pytest.raises(ForecasterError, match=r"cannot be used: .*\[daemon\] port") as caught:
        Endpoint(endpoint.port, standing, None)
    assert caught.value.exit_code == 1


def test_a_port_can_be_used_again_at_once(standing: Standing) -> None:
    """A daemon that is restarted finds its port free."""
    first = Endpoint(0, standing, None).start()
    port = first.port
    assert get(port, "/healthz")[0] == 200
    first.close()
    second = Endpoint(port, standing, None).start()
    assert get(port, "/healthz")[0] == 200
    second.close()


def test_the_daemons_endpoint_tells_of_its_ledger(tmp_path: Path) -> None:
    """What `health` says, and what the ledger counts, are there for whoever asks."""
    settings = settings_of(tmp_path)
    with open_ledger(settings.database_url(), create=True) as ledger:
        fill(ledger)
        schedule(ledger)
        work(ledger, FRIDAY)
        now = [SATURDAY]
        opened = open_endpoint(0, ledger, lambda: (settings, Calendars()), lambda: now[0])
        well, metrics = get(opened.port, "/healthz"), get(opened.port, "/metrics")
        now[0] += timedelta(days=7)
        ill = get(opened.port, "/healthz")
        overdue = get(opened.port, "/metrics")
        opened.close()
        LOG.handlers[:] = [each for each in LOG.handlers if type(each).__name__ != "StageSeconds"]
    assert (well[0], ill[0]) == (200, 503)
    assert 'forecaster_runs{state="done"} 1.0' in metrics[2]
    assert "forecaster_overdue_sessions 0.0" in metrics[2]
    assert "forecaster_overdue_sessions 4.0" in overdue[2]
