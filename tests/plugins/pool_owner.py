"""A program with a pool of two workers, for tests that end it in the middle of something.

    python pool_owner.py FOLDER busy|idle|starting

Its workers work for ever, wait for work that never comes, or are still about to start. It prints
how many threads their libraries have; their process ids are written to FOLDER/a and FOLDER/b.
NumPy is imported up here, and so again by each worker, as multiprocessing imports the main module
there before anything else.
"""

import os
import signal
import sys
from pathlib import Path

import for_workers
import numpy as np

from forecaster.hooks import build_registry

folder, state = Path(sys.argv[1]), sys.argv[2]
files = [folder / "a", folder / "b"]

if __name__ == "__mp_main__" and state == "starting":
    try:
        (folder / "first").mkdir()
        files[0].write_text(str(os.getpid()))
    except FileExistsError:
        files[1].write_text(str(os.getpid()))
    import pandas as pd

    assert pd.__version__

if __name__ == "__main__":
    assert np.__version__
    executor = build_registry(only=["executors"]).executor("local")({"workers": 2}, folder)
    try:
        print(list(executor.map(for_workers.threads, [1, 2])), flush=True)  # noqa: T201
        if state == "busy":
            list(executor.map(for_workers.work_for_ever, [str(file) for file in files]))
        for file, pid in zip(files, executor.map(for_workers.process, [1, 2]), strict=True):
            file.write_text(str(pid))
        signal.pause()
    except KeyboardInterrupt:
        executor.close()
        print("closed", flush=True)  # noqa: T201
