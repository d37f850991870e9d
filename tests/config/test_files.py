"""The configuration files that come with the program."""

import re
import tomllib
from pathlib import Path

import pytest

from forecaster.config import ModelSettings, Settings, load_settings, template

ROOT = Path(__file__).parents[2]


def test_the_repository_runs_what_init_writes() -> None:
    """config.toml of the repository is the template, to the letter."""
    assert (ROOT / "config.toml").read_text() == template()
    assert len(template().splitlines()) < 90


def test_what_the_template_comments_out_are_the_defaults() -> None:
    """Each key that is commented out is known and shows its default, an alternative apart."""
    defaults = Settings().model_dump()
    defaults["model"]["extra_inputs"] = list(ModelSettings().extras)
    table, seen = "", 0
    for line in template().splitlines():
        if header := re.fullmatch(r"(?:# )?\[+([a-z_.]+)\]+.*", line):
            table = header[1]
        elif (key := re.fullmatch(r"# ([a-z_]+) = .*", line)) and table in defaults:
            value = tomllib.loads(line[2:])[key[1]]
            example = (table, key[1]) in {
                ("backtest", "split"), ("plugins", "dirs"), ("daemon", "memory"),
                ("daemon", "port"), ("daemon", "log"),
            }  # fmt: skip
            if table != "series" and not example:
                assert defaults[table][key[1]] == value, line
                seen += 1
    assert seen > 15


def test_every_comment_of_the_template_is_true_of_the_parser() -> None:
    """With every commented key put in force, the template still loads."""
    lines = [
        re.sub(r"^# (?=[a-z_]+ = |\[)", "", line)
        for line in template().splitlines()
        if not re.match(r"# (symbols_file|split)", line)
    ]
    text = "\n".join(lines).replace('source = "csv"', 'source = "csv"\nsymbol = "NVDA"')
    settings = Settings.model_validate(tomllib.loads(text))
    *_, last = settings.each_series()
    assert (last.name, last.model.lookback) == ("NVDA", 50)
    assert settings.model == ModelSettings(extra_inputs=list(ModelSettings().extras))


@pytest.mark.parametrize("name", ["config.toml", "examples/article.toml"])
def test_files_load(name: str) -> None:
    """Each file that comes with the program loads."""
    assert load_settings(ROOT / name, environ={}).each_series()


def test_the_article_is_set_up_as_it_was_published() -> None:
    """Two series of the same prices: the article's settings, and the program's own."""
    settings = load_settings(ROOT / "examples/article.toml", environ={})
    article, own = settings.each_series()
    assert (article.symbol, article.field) == (own.symbol, own.field) == ("GOOGL", "open")
    assert settings.backtest.split == 0.8
    expected = {
        "inputs": "minmax",
        "lookback": 50,
        "hidden_size": 50,
        "horizon": 1,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "batch_size": 1,
        "epochs": 200,
        "validation": 0,
        "clip_norm": 0,
        "members": 1,
        "schedule": "constant",
        "gate": False,
        "activation": "tanh",
        "dtype": "float64",
    }
    assert article.model.model_dump(include=set(expected)) == expected
    assert article.retrain.every == "never"
    assert own.model == ModelSettings(horizon=1)
