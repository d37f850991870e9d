"""Kill an upgrade with SIGKILL at each of its statements: `python killed.py URL`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, inspect

from forecaster.ledger.engine import make_engine, parse_url
from forecaster.ledger.revision import current
from forecaster.ledger.schema import HEAD
from forecaster.ledger.upgrade import upgrade


@contextmanager
def failing(when: int, fail: Any) -> Iterator[None]:
    """Call `fail` before the statement of that number, a commit being one as well."""
    seen = 0

    def _look(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == when:
            fail()

    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, _look)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(Engine, name, _look)


def killed_upgrade(url: str, when: int) -> bool:
    """Upgrade in a child that dies before a statement; tell whether it came that far."""
    child = os.fork()
    if not child:
        with failing(when, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            upgrade(parse_url(url))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def tables(url: str) -> list[str]:
    """Return the names of what there is, and demand the one schema or none."""
    engine = make_engine(parse_url(url))
    found = inspect(engine).get_table_names() + inspect(engine).get_view_names()
    revision = current(engine)
    engine.dispose()
    assert revision == (HEAD if found else None), (revision, found)
    return found


def main(url: str, step: int = 1) -> None:
    """Kill it at every `step`-th statement, then let it live."""
    when = 1
    while killed_upgrade(url, when):
        assert not tables(url), f"killed at statement {when}: {tables(url)}"
        when += step
    assert tables(url)
    assert when > 40, f"only {when} statements were seen"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
