"""A process with a child at work, for tests that kill it: `python parent.py FOLDER`."""

import os
import sys
from pathlib import Path
from threading import Event

from forecaster.config import load_settings
from forecaster.daemon.child import Child, Errand

settings = load_settings(Path(sys.argv[1]) / "config.toml", environ={})
over = Event()
Child(
    Errand(settings, None, None),
    relay=lambda line: os.write(1, f"{line['message']}\n".encode()) and None,
    ended=lambda ending: over.set(),
    deadline=600,
)
over.wait()
