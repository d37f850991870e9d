"""The unit file and the container file say what this program can do."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from forecaster.cli import cli
from forecaster.daemon import serve

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "forecaster.service"
CONTAINER = ROOT / "deploy" / "Containerfile"

Instructions = list[tuple[str, str]]


class Unit(configparser.RawConfigParser):
    """A unit file: keys have capitals, and may be repeated."""

    def __init__(self) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))
        self.read_string(UNIT.read_text())

    def optionxform(self, optionstr: str) -> str:
        """Keep the name of a key as it is."""
        return optionstr


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    """What the unit file says of the service."""
    return Unit()["Service"]


@pytest.fixture(scope="module")
def instructions() -> Instructions:
    """The container file's instructions: name and the rest, on one line."""
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def all_of(instructions: Instructions, name: str) -> list[str]:
    """Return what follows each instruction of a name."""
    return [rest for each, rest in instructions if each == name]


def command_of(words: list[str]) -> str:
    """Return the command that these arguments call, having parsed the options before it."""
    context = cli.make_context("forecaster", list(words), resilient_parsing=False)
    name = context._protected_args[0]
    command = cli.get_command(context, name)
    assert isinstance(command, click.Command)
    command.make_context(name, list(context.args), parent=context)
    return name


class TestUnit:
    def test_it_starts_a_command_that_there_is(self, service: configparser.SectionProxy) -> None:
        """With the configuration in the folder that the service may write."""
        program, *words = shlex.split(service["ExecStart"])
        assert Path(program).name == "forecaster"
        assert command_of(words) == "daemon"
        config = Path(words[words.index("--config") + 1])
        assert config.parent == Path("/var/lib") / service["StateDirectory"]
        assert config.parent == Path(service["WorkingDirectory"])

    def test_it_is_watched_as_the_daemon_tells(self, service: configparser.SectionProxy) -> None:
        """Two signs of life at least fit between two looks of the service manager."""
        assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
        assert int(service["WatchdogSec"]) >= 4 * serve.TICK

    def test_it_waits_longer_than_the_daemon_takes_to_end(
        self, service: configparser.SectionProxy
    ) -> None:
        """SIGKILL is the last resort."""
        assert int(service["TimeoutStopSec"]) >= 2 * serve.ALL_ENDS
        assert service["KillMode"] == "mixed"

    def test_an_end_is_followed_by_a_start_however_often(
        self, service: configparser.SectionProxy
    ) -> None:
        """A disk may be full for days; a wrong configuration, exit code 2, is not tried again."""
        assert service["Restart"] == "always"
        assert int(service["RestartSec"]) > 0
        assert service["RestartPreventExitStatus"] == "2"
        assert Unit()["Unit"]["StartLimitIntervalSec"] == "0"

    def test_it_has_no_right_that_it_does_not_need(
        self, service: configparser.SectionProxy
    ) -> None:
        """No user root, nothing written elsewhere, no new privileges, files its own."""
        assert service["User"] not in ("", "root")
        assert service["UMask"] == "0077"
        assert service["StateDirectoryMode"] == "0700"
        assert service["ProtectSystem"] == "strict"
        assert service["CapabilityBoundingSet"] == ""
        assert {"AF_UNIX", "AF_INET"} <= set(service["RestrictAddressFamilies"].split())
        for key in ("NoNewPrivileges", "PrivateTmp", "MemoryDenyWriteExecute", "ProtectHome"):
            assert service[key] == "yes"

    def test_no_secret_stands_in_it(self) -> None:
        """They come from a file that root alone reads."""
        assert "Environment=" not in UNIT.read_text()

    def test_systemd_understands_it(self, tmp_path: Path) -> None:
        """No unknown key, no wrong value; little is exposed."""
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("there is no systemd-analyze")
        unit = tmp_path / UNIT.name
        unit.write_text(UNIT.read_text().replace("/opt/forecaster/bin/forecaster", "/bin/true"))
        checks = [
            [analyze, "verify", str(unit)],
            [analyze, "security", "--offline=yes", "--threshold=20", str(unit)],
        ]
        for check in checks:
            done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            assert str(unit) not in done.stderr

    def test_systemd_would_find_a_mistake(self, tmp_path: Path) -> None:
        """The check above can fail."""
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("there is no systemd-analyze")
        unit = tmp_path / UNIT.name
        text = UNIT.read_text().replace("/opt/forecaster/bin/forecaster", "/bin/true")
        unit.write_text(text.replace("WatchdogSec=300", "WatchdogSec=soon"))
        done = subprocess.run(
            [analyze, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
        )
        assert str(unit) in done.stderr


class TestContainer:
    def test_it_copies_what_there_is_and_no_data(self, instructions: Instructions) -> None:
        """What the wheel is made of; no database, no configuration, no secret."""
        copied = [
            each
            for line in all_of(instructions, "COPY")
            if not line.startswith("--from")
            for each in line.split()[:-1]
        ]
        assert all((ROOT / each).exists() for each in copied)
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        folders = project["tool"]["setuptools"]["package-dir"].values()
        assert {"pyproject.toml", "forecaster", *folders} <= set(copied)
        assert not {".", "config.toml", "forecaster.db"} & set(copied)

    def test_it_installs_extras_that_there_are(self, instructions: Instructions) -> None:
        """And a Python that the program runs on."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        [extras] = re.findall(r'"\.\[([a-z,]+)\]"', " ".join(all_of(instructions, "RUN")))
        assert set(extras.split(",")) <= project["optional-dependencies"].keys()
        versions = re.findall(r"python:3\.(\d+)-slim", CONTAINER.read_text())
        assert len(versions) == 2
        assert all(int(each) >= 11 for each in versions)

    def test_it_calls_commands_that_there_are(self, instructions: Instructions) -> None:
        """As lists, so that signals reach the daemon."""
        [entry], [given] = all_of(instructions, "ENTRYPOINT"), all_of(instructions, "CMD")
        assert json.loads(entry) == ["forecaster"]
        assert command_of(json.loads(given)) == "daemon"
        [check] = all_of(instructions, "HEALTHCHECK")
        program, *words = json.loads(check[check.index("CMD") + 3 :])
        assert (program, command_of(words)) == ("forecaster", "health")

    def test_it_is_not_root_and_keeps_its_folder(self, instructions: Instructions) -> None:
        """The user is named before anything is started, and the state is a volume."""
        names = [name for name, _ in instructions]
        assert all_of(instructions, "USER") == ["forecaster"]
        assert names.index("USER") < names.index("ENTRYPOINT")
        [volume], [folder] = all_of(instructions, "VOLUME"), all_of(instructions, "WORKDIR")[1:]
        assert volume == folder == "/var/lib/forecaster"

    def test_what_its_comment_says_can_be_typed(self) -> None:
        """The commands after the image's name are the program's."""
        called = re.findall(r"forecaster forecaster (\w+)$", CONTAINER.read_text(), re.MULTILINE)
        assert [command_of([each]) for each in called] == ["init"]
