"""The network as a scikit-learn estimator."""

from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from forecaster.model.activations import Activation, Array, get_activation
from forecaster.model.cell import forward, init_params
from forecaster.model.fit import Recipe, Samples, fit
from forecaster.model.optimisers import OptimizerName
from forecaster.model.windows import split_windows

HELD_BACK = 0.15  # of the windows, the last ones, with early stopping
PATIENCE = 10


class RNNRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """An Elman network that reads each row as a sequence, oldest step first.

    Inputs and targets are taken as they are: scale them first, for instance in a Pipeline.

    Args:
        hidden_size: hidden units.
        activation: a name in ACTIVATIONS, or an Activation.
        optimizer: "adam", "sgd" or "rmsprop"; gradients are clipped to norm 1.
        epochs: passes over the data, at most.
        batch_size: rows per step of the optimiser.
        learning_rate: its step.
        early_stopping: hold the last 15 % of the rows back, keep the weights that do best on them
            and stop after 10 epochs without a better loss.
        dtype: "float32" or "float64", for training; predictions are computed in float64.
        random_state: seed for the first weights and the order of the rows.

    Attributes:
        params_: the five weight arrays.
        n_iter_: epochs run.
        n_features_in_: steps that a row holds.
    """

    def __init__(
        self,
        hidden_size: int = 50,
        activation: str | Activation = "tanh",
        optimizer: OptimizerName = "adam",
        epochs: int = 200,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        early_stopping: bool = False,
        dtype: Literal["float32", "float64"] = "float32",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_size = hidden_size
        self.activation = activation
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's names
        """Fit the network.

        Args:
            X: (n, lookback) or (n, lookback, inputs).
            y: (n,) or (n, outputs).

        Raises:
            ValueError: a setting, X or y with which nothing can be learnt.
            TrainingError: the training diverged, at lower learning rates too.
        """
        rows, targets = validate_data(
            self, X, y, dtype=np.float64, allow_nd=True, multi_output=True, y_numeric=True
        )
        samples = Samples(_as_sequences(rows), targets.astype(np.float64).reshape(len(rows), -1))
        self._refuse_bad_settings()
        training, validation = self._split(samples)
        activation = get_activation(self.activation)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        params = init_params(
            rng,
            input_size=samples.x.shape[2],
            hidden_size=self.hidden_size,
            output_size=samples.y.shape[1],
            dtype=self.dtype,
            gain=activation.gain,
        )
        recipe = Recipe(self.optimizer, self.learning_rate, self.batch_size, self.epochs, PATIENCE)
        fitted = fit(params, training, validation, recipe, activation=activation, rng=rng)
        self.params_ = {name: value.astype(np.float64) for name, value in fitted.params.items()}
        self.n_iter_ = fitted.epochs
        self._activation = activation
        self._one_output = targets.ndim == 1
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Predict (n,) or (n, outputs) as `fit` was given, float64.

        Args:
            X: as for `fit`.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, allow_nd=True, reset=False)
        y_hat, _ = forward(self.params_, _as_sequences(rows), self._activation)
        last = np.asarray(y_hat[:, -1], dtype=np.float64)
        return last[:, 0] if self._one_output else last

    def _refuse_bad_settings(self) -> None:
        for name in ("hidden_size", "epochs", "batch_size"):
            number = getattr(self, name)
            if not (isinstance(number, Integral) and int(number) >= 1):
                raise ValueError(f"{name} is {number!r}: it must be a whole number from 1 up")
        if not self.learning_rate > 0.0:
            raise ValueError(f"learning_rate is {self.learning_rate!r}: it must be above 0")
        if np.dtype(self.dtype).name not in ("float32", "float64"):
            raise ValueError(f"dtype is {self.dtype!r}: it must be float32 or float64")

    def _split(self, samples: Samples) -> tuple[Samples, Samples | None]:
        training, held_back = split_windows(
            len(samples), HELD_BACK if self.early_stopping and len(samples) > 1 else 0.0, gap=0
        )
        if not held_back:
            return samples, None
        x, y = samples.x, samples.y
        return Samples(x[:training], y[:training]), Samples(x[training:], y[training:])

    def __sklearn_tags__(self) -> Tags:
        tags: Any = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _as_sequences(rows: Array) -> Array:
    """(n, T) or (n, T, D) as (n, T, D)."""
    if rows.ndim > 3:
        raise ValueError(f"X has shape {rows.shape}: it must be (n, steps) or (n, steps, inputs)")
    return rows[:, :, np.newaxis] if rows.ndim == 2 else rows
