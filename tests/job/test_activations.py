"""A model is used with the activation it was trained with, or not at all."""

import pytest
from click.testing import CliRunner, Result

from forecaster.cli import cli
from forecaster.config import load_settings
from forecaster.job.decide import settings_fingerprint

from .project import Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
OWN = """
    from forecaster import hookimpl


    def value(z, out):
        import numpy as np

        np.{function}(z, out=out)


    def slope(z, out):
        import numpy as np

        np.hypot(1.0, z, out=out)
        np.divide(1.0, out, out=out)


    @hookimpl
    def forecaster_activations():
        from forecaster.model import Activation

        return [Activation("own", value, slope, needs_input=True)]
"""
NO_BACKFILL = "[schedule]\ninitial_backfill = 0\n"
SAID = "SELECT count(*) FROM forecast"


@pytest.fixture
def own(feed: Project) -> Project:
    """Return a project whose series A was forecast with the activation `own` of a plugin."""
    feed.plugin("own", OWN.replace("{function}", "arcsinh"))
    feed.quote("A", DAYS, walk(len(DAYS)))
    feed.follow("A", source="feed", more='model = {activation = "own"}', settings=NO_BACKFILL)
    assert feed.run(evening(DAYS[80])).status == "done"
    assert feed.sql(SAID) == [(3,)]
    return feed


def configure(project: Project, before: str, after: str) -> None:
    """Replace something in config.toml."""
    text = (project.folder / "config.toml").read_text()
    assert before in text
    project.configure(text.replace(before, after))


def call(project: Project, *command: str) -> Result:
    """Run a command of the program in the project."""
    return CliRunner().invoke(cli, ["--config", str(project.folder / "config.toml"), *command])


def test_the_stored_model_is_used_with_its_own_activation(own: Project) -> None:
    """While the plugin stays what it was, the model is reused."""
    summary = own.run(evening(DAYS[81]))
    assert (summary.status, summary.reused, summary.trained) == ("done", 1, 0)
    assert own.sql(SAID) == [(6,)]


def test_another_function_under_the_same_name_forecasts_nothing(own: Project) -> None:
    """A plugin that has changed fails its series with the point; --retrain takes it as it is."""
    own.plugin("own", OWN.replace("{function}", "tanh"))
    summary = own.run(evening(DAYS[81]))
    assert summary.status == "failed"
    (problem,) = summary.problems
    assert problem.startswith(f"A: {DAYS[81]}: activation 'own' is no longer the function that")
    assert "its value at -23.7 was -3.85" in problem
    assert "run with --retrain" in problem
    assert own.sql(SAID) == [(3,)]
    assert own.sql("SELECT status, reason_code FROM run_series ORDER BY run_id DESC LIMIT 1") == [
        ("failed", "activation_changed")
    ]
    assert own.run(evening(DAYS[81]), forced="retrain").status == "done"
    assert own.run(evening(DAYS[82])).reused == 1


def test_retrain_cures_the_nights_before_tonight_too(feed: Project) -> None:
    """Nights of an initial backfill that failed with the changed function are made up for."""
    feed.plugin("own", OWN.replace("{function}", "arcsinh"))
    feed.quote("A", DAYS, walk(len(DAYS)))
    backfill = "[schedule]\ninitial_backfill = 3\n"
    feed.follow("A", source="feed", more='model = {activation = "own"}', settings=backfill)
    feed.run(evening(DAYS[80]), as_of=DAYS[76])
    feed.plugin("own", OWN.replace("{function}", "tanh"))
    assert feed.run(evening(DAYS[80])).status == "failed"
    assert feed.run(evening(DAYS[80]), forced="retrain").problems == ()
    assert {cutoff for _, cutoff, _ in feed.said()} == {str(day) for day in DAYS[77:81]} | {
        str(DAYS[76])
    }


def test_an_activation_that_ends_the_program_ends_its_series_alone(own: Project) -> None:
    """A stored model whose function calls sys.exit fails; the run goes on and says so."""
    own.quote("B", DAYS, walk(len(DAYS), seed=1))
    config = (own.folder / "config.toml").read_text()
    own.configure(config + '\n[[series]]\nsource = "feed"\nsymbol = "B"\n')
    leaving = OWN.replace("np.{function}(z, out=out)", "raise SystemExit(7)")
    own.plugin("own", leaving)
    summary = own.run(evening(DAYS[81]))
    assert summary.status == "degraded"
    assert [problem[:2] for problem in summary.problems] == ["A:"]
    assert {series for series, cutoff, _ in own.said() if cutoff == str(DAYS[81])} == {"B"}


def test_a_plugin_that_is_gone_ends_the_command(own: Project) -> None:
    """Without its plugin the name is unknown: one line with series and activation, exit code 2."""
    (own.folder / "plugins" / "own.py").unlink()
    result = call(own, "run")
    assert result.exit_code == 2
    assert result.stderr.startswith("forecaster: series A: no activation is named 'own'; ")
    assert result.stderr.count("\n") == 1
    assert own.sql(SAID) == [(3,)]


def test_a_folder_of_plugins_that_is_no_longer_configured(project: Project) -> None:
    """The same where `[plugins] dirs` is taken out of config.toml, here of a source that stays."""
    project.plugin("own", OWN.replace("{function}", "arcsinh"))
    project.quote("A", DAYS[:80], walk(80))
    project.follow("A", more='model = {activation = "own"}', settings=NO_BACKFILL)
    assert call(project, "run").exit_code == 0
    project.quote("A", DAYS[:81], walk(81))
    configure(project, 'dirs = ["plugins"]', "dirs = []")
    result = call(project, "run")
    assert result.exit_code == 2
    assert result.stderr.startswith("forecaster: series A: no activation is named 'own'; ")
    assert project.sql(SAID) == [(3,)]


def test_a_plugin_that_no_longer_loads_fails_its_series(own: Project) -> None:
    """A file that is broken now may have been that one: the series fails, exit code 1."""
    own.plugin("own", "import nothing_of_this_name")
    summary = own.run(evening(DAYS[81]))
    assert summary.status == "failed"
    (problem,) = summary.problems
    assert problem.startswith(f"A: {DAYS[81]}: no activation is named 'own'; plugin own (")
    assert "ModuleNotFoundError" in problem
    assert own.sql(SAID) == [(3,)]


def test_another_activation_in_the_configuration_is_another_model(own: Project) -> None:
    """Back at tanh the model is refitted, with or without the plugin, and the reason says why."""
    (own.folder / "plugins" / "own.py").unlink()
    configure(own, 'activation = "own"', 'activation = "tanh"')
    assert own.run(evening(DAYS[81]), forced="reuse").trained == 1
    reasons = own.sql("SELECT verdict, reason_code, reason FROM decision ORDER BY id DESC LIMIT 1")
    assert reasons == [
        (
            "retrain",
            "settings",
            "settings that shape the model have changed: activation own to tanh",
        )
    ]


def test_a_stored_model_is_never_taken_for_one_of_another_activation(own: Project) -> None:
    """Should a model count as fitting that was trained with another function, it is refused."""
    configure(own, 'activation = "own"', 'activation = "tanh"')
    (one,) = load_settings(own.folder / "config.toml", environ={}).each_series()
    own.write("UPDATE model_version SET fingerprint = ?", settings_fingerprint(one))
    summary = own.run(evening(DAYS[81]))
    assert summary.status == "failed"
    assert (
        "the model was trained with activation 'own', and the series is configured with 'tanh'"
        in (summary.problems[0])
    )
    assert own.sql(SAID) == [(3,)]
    assert own.run(evening(DAYS[81]), forced="retrain").status == "done"


def test_an_activation_that_fails_where_the_model_is_stored_fails_its_series(
    project: Project,
) -> None:
    """What raises for arrays other than those of a training is told like any other failure."""
    code = OWN.replace("{function}", "arcsinh").replace(
        "        np.arcsinh",
        "        if z.ndim == 1:\n            raise OSError('flat')\n        np.arcsinh",
    )
    project.plugin("own", code)
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A", more='model = {activation = "own"}', settings=NO_BACKFILL)
    summary = project.run()
    assert summary.status == "failed"
    assert "OSError: flat" in summary.problems[0]
