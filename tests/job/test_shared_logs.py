"""What processes say that share nights: it is heard, and there is no secret in it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")

SECRETS = {"FEED_PASSWORD": "environment-canary", "BASE": "ftp://me:address-canary@host/"}
"""Variables of which nobody may see what ends in -canary."""

SETTINGS = """
[schedule]
initial_backfill = 4
[executor]
name = "local"
[plugins.local]
workers = 2
[plugins.chatty]
api_key = "settings-canary"
"""

# It puts the secret of the settings together: as a whole it is in no file but config.toml.
CHATTY = '''
    """Two activations that say all that they know, and one fails; a source that has a key."""

    import os
    from functools import partial

    import numpy as np

    from forecaster import hookimpl
    from forecaster.logs import LOG
    from forecaster.model import Activation

    PARTS = os.environ["FEED_PASSWORD"], os.environ["BASE"], "-".join(["settings", "canary"])
    KNOWN = " ".join(PARTS)


    def value(fails, z, out):
        LOG.warning("I know %s", KNOWN, extra={"known": [KNOWN], "pid": os.getpid()})
        if fails:
            raise ValueError(KNOWN)
        np.tanh(z, out=out)


    def slope(a, out):
        np.subtract(1.0, a * a, out=out)


    class Source:
        name = "chatty"

        def __init__(self, options, folder):
            self.key = options["api_key"]

        def fetch(self, symbol, start, end):
            raise NotImplementedError


    @hookimpl
    def forecaster_sources():
        return [Source]


    @hookimpl
    def forecaster_activations():
        names = {"chatty": False, "failing": True}
        return [Activation(name, partial(value, fails), slope) for name, fails in names.items()]
'''

# Told to, it says what it does as a daemon's child; otherwise as a command, which is to nobody.
BODY = """
import sys
from pathlib import Path
from forecaster.config import load_settings
from forecaster.job import walk
from forecaster.job.context import open_job
from forecaster.job.run import run
from forecaster.logs import tell_parent

walk.MANY = 1
if "telling" in sys.argv:
    tell_parent(1)
settings = load_settings(Path("config.toml"), environ={})
with open_job(settings) as job:
    run(job)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return three series, whose nights two processes share; those of C fail."""
    found = Project(tmp_path)
    found.plugin("chatty", CHATTY)
    for seed, symbol in enumerate("ABC"):
        found.quote(symbol, DAYS, walk(len(DAYS), seed))
    series = "".join(
        f'[[series]]\nsource = "csv"\nsymbol = "{symbol}"\nmodel = {{activation = "{name}"}}\n'
        for symbol, name in zip("ABC", ("chatty", "chatty", "failing"), strict=True)
    )
    found.follow(settings=SETTINGS)
    config = found.folder / "config.toml"
    config.write_text(f"{series}{config.read_text()}")
    return found


def output(project: Project, *arguments: str) -> str:
    """Run the job in a process of its own; return all that it and its workers wrote."""
    done = subprocess.run(
        [sys.executable, "-c", BODY, *arguments], cwd=project.folder, env=os.environ | SECRETS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=300,
    )  # fmt: skip
    return done.stdout


def lines(text: str) -> list[dict[str, Any]]:
    """Return log lines as the objects that they are; nothing else may have been written."""
    return [json.loads(line) for line in text.splitlines() if line]


def test_what_sharing_processes_say_is_heard_without_secrets(project: Project) -> None:
    """Each line comes whole, says what it is about, and hides what the one that shares hides."""
    text = output(project, "telling")
    assert "canary" not in text
    said = lines(text)
    chatter = [one for one in said if one["message"].startswith("I know")]
    assert len({one["pid"] for one in chatter}) > 1
    assert {one["message"] for one in chatter} == {"I know *** ftp://me:***@host/ ***"}
    runs = {f"XNYS {day}" for day in DAYS[-5:]}
    assert {one["run"] for one in chatter} == runs
    nights = [one for one in said if one["message"] == "night done"]
    assert {(one["run"], one["event"]) for one in nights} == {(one, "night") for one in runs}
    begun = [one for one in said if one.get("event") == "begin" and one["stage"] == "train"]
    assert {one["run"] for one in begun} == runs
    assert {
        one["run"] for one in said if one["level"] == "WARNING" and one["series"] == "C"
    } == runs


def test_what_sharing_processes_store_has_no_secret(project: Project) -> None:
    """Nobody hears them; why nights failed stands in the ledger, with what is secret hidden."""
    text = output(project)
    assert "night done" not in text
    assert "canary" not in text
    (reason,) = project.sql("SELECT DISTINCT reason FROM run_series WHERE status = 'failed'")
    assert reason[0].startswith("unforeseen ValueError: *** ftp://me:***@host/ ***; ")
    stored = [path.read_bytes() for path in project.folder.glob("forecaster.db*")]
    assert [one for one in stored if b"canary" in one] == []
