"""The names that people, scripts and other packages rely on."""

import importlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forecaster
from forecaster.model import RNNRegressor, forward, init_params, loss_and_gradients

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLUGINS: dict[str, str] = PROJECT["project"]["entry-points"]["forecaster"]


def test_the_program_is_a_module_too(tmp_path: Path) -> None:
    """`python -m forecaster` is the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "forecaster", "--version"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"forecaster, version {forecaster.__version__}\n"


def test_the_version_stands_in_one_place() -> None:
    """pyproject.toml takes the version from the package, and no other file repeats it."""
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "forecaster.__version__"}
    written = f'"{forecaster.__version__}"'
    code = [*(ROOT / "forecaster").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    assert [path.name for path in code if written in path.read_text()] == ["__init__.py"]


@pytest.mark.parametrize(("plugin", "module"), PLUGINS.items())
def test_entry_points_load(plugin: str, module: str) -> None:
    """Every plugin of pyproject.toml is a module of the package with at least one hook."""
    assert module.startswith("forecaster.plugins.")
    hooks = [
        each
        for each in vars(importlib.import_module(module)).values()
        if getattr(each, "forecaster_impl", None)
    ]
    assert hooks, plugin


def test_plugins_load_cheaply(tmp_path: Path) -> None:
    """All first-party plugins together import nothing that takes long."""
    script = f"import sys, {', '.join(PLUGINS.values())}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = {each.partition(".")[0] for each in done.stdout.split()}
    assert "forecaster" in loaded
    assert not loaded & {"pandas", "scipy", "sklearn", "yfinance", "sqlalchemy", "plotly"}


def test_every_package_is_shipped() -> None:
    """The packages listed in pyproject.toml are exactly those that there are."""
    folders = {"forecaster": ROOT / "forecaster", "forecaster.plugins": ROOT / "plugins",
               "forecaster.migrations": ROOT / "migrations"}  # fmt: skip
    found = {
        ".".join((package, *init.parent.relative_to(folder).parts))
        for package, folder in folders.items()
        for init in folder.rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


def parameters(function: Any) -> dict[str, Any]:
    """Return the parameters and their defaults."""
    found = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in found if each.name != "self"}


def test_the_functions_of_the_network_have_their_parameters() -> None:
    """`init_params`, `forward` and `loss_and_gradients` are called as they are documented."""
    empty = inspect.Parameter.empty
    sizes = {"input_size": empty, "hidden_size": empty, "output_size": empty}
    documented = {"rng": empty, **sizes, "dtype": np.float64}
    assert documented.items() <= parameters(init_params).items()
    assert list(parameters(forward)) == ["params", "x", "activation"]
    documented = {"params": empty, "x": empty, "y": empty, "activation": "tanh", "loss_on": "last"}
    assert documented.items() <= parameters(loss_and_gradients).items()


def test_the_estimator_has_its_defaults() -> None:
    """`RNNRegressor` takes these parameters, with these defaults, and no others."""
    assert parameters(RNNRegressor) == {
        "hidden_size": 50, "activation": "tanh", "optimizer": "adam", "epochs": 200,
        "batch_size": 32, "learning_rate": 1e-3, "early_stopping": False, "dtype": "float32",
        "random_state": None,
    }  # fmt: skip


@pytest.mark.parametrize("loss_on", ["last", "all"])
def test_the_network_has_its_shapes(loss_on: str) -> None:
    """Shapes of parameters, answers, loss and gradients are as documented."""
    B, T, D, H, O = 7, 5, 3, 4, 2  # noqa: N806, E741  the letters of the documentation
    rng = np.random.default_rng(0)
    params = init_params(rng, input_size=D, hidden_size=H, output_size=O, dtype=np.float64)
    shapes = {"W_xh": (H, D), "W_hh": (H, H), "b_h": (H,), "W_hy": (O, H), "b_y": (O,)}
    assert {key: params[key].shape for key in params} == shapes
    x, y = rng.normal(size=(B, T, D)), rng.normal(size=(B, O) if loss_on == "last" else (B, T, O))
    y_hat, _ = forward(params, x, activation="tanh")
    assert y_hat.shape == (B, T, O)
    loss, grads = loss_and_gradients(params, x, y, activation="tanh", loss_on=loss_on)
    assert {key: grads[key].shape for key in grads} == shapes
    off = (y_hat[:, -1] if loss_on == "last" else y_hat) - y
    assert np.isclose(loss, (off**2).sum(axis=-1).mean())
