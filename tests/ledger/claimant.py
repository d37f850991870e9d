"""Processes that want a lock.

python claimant.py URL crowd 50    all at the same moment; each says how it went
python claimant.py URL hold        takes it, starts two processes of its own, and keeps it
"""

import os
import subprocess
import sys

from forecaster.errors import LedgerError
from forecaster.ledger.claim import claim


def one_of_many(url: str) -> None:
    """Say how it went; who has the lock keeps it until it is killed."""
    try:
        with claim(url, "daemon", what="daemon", wait=False):
            os.write(1, f"held {os.getpid()}\n".encode())
            os.read(0, 1)
    except LedgerError as error:
        os.write(1, f"{error.code} {error.message}\n".encode())


def crowd(url: str, count: int) -> None:
    """Start so many processes and let them begin at the same moment."""
    gate, start = os.pipe()
    for _ in range(count):
        if not os.fork():
            os.close(start)
            os.read(gate, 1)  # returns when the parent closes its end
            one_of_many(url)
            os._exit(0)
    os.close(start)
    for _ in range(count):
        os.wait()


def hold(url: str) -> None:
    """Take the lock, then start a program and make a copy of this process: both outlive it."""
    with claim(url, "run", what="backfill", wait=False):
        started = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
        copied = os.fork()
        if not copied:
            os.read(0, 1)
            os._exit(0)
        os.write(1, f"{started.pid} {copied}\n".encode())
        os.read(0, 1)


if __name__ == "__main__":
    if sys.argv[2] == "crowd":
        crowd(sys.argv[1], int(sys.argv[3]))
    else:
        hold(sys.argv[1])
