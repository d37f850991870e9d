"""Measure one training step against the frameworks that people would otherwise use at these sizes.

The work is one step of Adam on an Elman network: 50 hidden units, 50 steps of one input, the
squared error of the last step, float32. Everyone has the same weights and the same windows, in
arrays of their own kind and layout, and the same single core; losses and gradients are compared
before the clock starts. Contenders take turns, so that whatever else the machine does hits all of
them alike, and a ratio is the median over turns of the ratio within a turn.

- PyTorch: nn.RNN and nn.Linear, eager, torch.optim.Adam. nn.RNN has a second bias; the loss and the
  other gradients are the same with it.
- JAX: lax.scan, value_and_grad and Adam in one jitted call, compiled before the clock starts: once
  as layers are usually written, with a state (B, H) and windows (B, T, 1), and once with the layout
  of this program, a state (H, B) and windows (T, 1, B), which is the fastest found.
- The article's code: one window at a time in float64, and its own plain gradient descent; for a
  batch, its time for one window times the windows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import article
import numpy as np
from numpy.typing import NDArray
from rows import Row
from turns import median_ratio, one_core, take_turns

from forecaster.model import ACTIVATIONS, init_params
from forecaster.model.optimisers import Adam
from forecaster.model.unrolled import Unrolled, pack

GROUP = "step"
BATCHES = (1, 32, 64, 256)
STEPS = HIDDEN = 50
LEARNING_RATE = 1e-3
OURS, PYTORCH, JAX, JAX_COLUMNS = "this program", "PyTorch", "JAX", "JAX, laid out as here"
ARTICLE = "the article's code"
PEAK = "a product of 1024 x 1024 matrices"

Array = NDArray[Any]
Gradient = tuple[float, dict[str, Array]]  # the loss, and the derivative of each of five arrays


@dataclass(frozen=True, eq=False)
class Problem:
    """What everyone has to work on."""

    params: Mapping[str, Array]  # as forecaster.model names them
    x: Array  # (B, T, 1)
    y: Array  # (B, 1)


@dataclass(frozen=True, eq=False)
class Contender:
    """Someone who can do the work."""

    gradient: Callable[[], Gradient]  # at the first weights
    step: Callable[[], object]
    windows: int  # that a step takes


def problem(batch: int) -> Problem:
    """Random windows and weights."""
    rng = np.random.default_rng(batch)
    params = init_params(rng, input_size=1, hidden_size=HIDDEN, output_size=1, dtype=np.float32)
    x = rng.standard_normal((batch, STEPS, 1)).astype(np.float32)
    return Problem(params, x, rng.standard_normal((batch, 1)).astype(np.float32))


def this_program(given: Problem) -> Contender:
    """The network and Adam as training uses them."""
    x, y = given.x, given.y
    weights = pack(given.params)
    network = Unrolled(weights, ACTIVATIONS["tanh"], STEPS, len(x), "last")
    optimiser = Adam(LEARNING_RATE)

    def gradient() -> Gradient:
        loss = network.loss_and_gradient(x, y)
        return loss, {name: value.copy() for name, value in network.gradient.params.items()}

    def step() -> None:
        network.loss_and_gradient(x, y)
        optimiser.step(weights.flat, network.gradient.flat)

    return Contender(gradient, step, len(x))


def pytorch(given: Problem) -> Contender:
    """torch.nn.RNN with torch.optim.Adam.

    Raises:
        ImportError: PyTorch is not installed.
    """
    import torch  # noqa: PLC0415 - only who asks for this contender has to have it

    torch.set_num_threads(1)
    rnn, head = torch.nn.RNN(1, HIDDEN, batch_first=True), torch.nn.Linear(HIDDEN, 1)
    arrays = {
        "W_xh": rnn.weight_ih_l0, "W_hh": rnn.weight_hh_l0, "b_h": rnn.bias_ih_l0,
        "W_hy": head.weight, "b_y": head.bias,
    }  # fmt: skip
    with torch.no_grad():
        rnn.bias_hh_l0.zero_()
        for name, parameter in arrays.items():
            parameter.copy_(torch.from_numpy(given.params[name].copy()))
    adam = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=LEARNING_RATE)
    x, y = torch.from_numpy(given.x), torch.from_numpy(given.y)

    def backward() -> Any:
        adam.zero_grad()
        states, _ = rnn(x)
        loss = torch.nn.functional.mse_loss(head(states[:, -1]), y)
        loss.backward()
        return loss

    def gradient() -> Gradient:
        loss = backward().item()
        return loss, {name: value.grad.numpy().copy() for name, value in arrays.items()}

    def step() -> None:
        backward()
        adam.step()

    return Contender(gradient, step, len(x))


def jax_rows(given: Problem) -> Contender:
    """JAX with a state (B, H), and windows (B, T, 1) that are swapped inside the jitted step.

    Raises:
        ImportError: JAX is not installed.
    """
    jax, jnp = _jax()
    x, y = jnp.asarray(given.x), jnp.asarray(given.y)

    def loss(params: Any) -> Any:
        def cell(a: Any, x_t: Any) -> Any:
            return jnp.tanh(x_t @ params["W_xh"].T + a @ params["W_hh"].T + params["b_h"]), None

        start = jnp.zeros((len(x), HIDDEN), jnp.float32)
        a, _ = jax.lax.scan(cell, start, jnp.swapaxes(x, 0, 1))
        return jnp.mean((a @ params["W_hy"].T + params["b_y"] - y) ** 2)

    return _jitted(loss, given)


def jax_columns(given: Problem) -> Contender:
    """JAX with a state (H, B), and windows that are (T, 1, B) from the beginning.

    Raises:
        ImportError: JAX is not installed.
    """
    jax, jnp = _jax()
    x, y = jnp.asarray(given.x.transpose(1, 2, 0)), jnp.asarray(given.y.T)

    def loss(params: Any) -> Any:
        b_h, b_y = params["b_h"][:, None], params["b_y"][:, None]

        def cell(a: Any, x_t: Any) -> Any:
            return jnp.tanh(params["W_xh"] @ x_t + params["W_hh"] @ a + b_h), None

        a, _ = jax.lax.scan(cell, jnp.zeros((HIDDEN, x.shape[2]), jnp.float32), x)
        return jnp.mean((params["W_hy"] @ a + b_y - y) ** 2)

    return _jitted(loss, given)


def _jax() -> Any:
    import jax  # noqa: PLC0415 - as above

    # Computing in the thread that asks is the faster way at these sizes, and the steadier one.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    return jax, jax.numpy


def _jitted(loss: Callable[[Any], Any], given: Problem) -> Contender:
    jax, jnp = _jax()

    def adam(state: Any) -> Any:
        params, mean, square, count = state
        grads = jax.grad(loss)(params)
        count = count + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, grads)
        of_mean, of_square = 1 / (1 - 0.9**count), 1 / (1 - 0.999**count)
        params = jax.tree.map(
            lambda p, m, s: p - LEARNING_RATE * m * of_mean / (jnp.sqrt(s * of_square) + 1e-8),
            params, mean, square,
        )  # fmt: skip
        return params, mean, square, count

    def first() -> Any:
        return {name: jnp.asarray(value) for name, value in given.params.items()}

    state = (first(), *(jax.tree.map(jnp.zeros_like, first()) for _ in "mv"), jnp.float32(0))
    compiled = jax.jit(adam, donate_argnums=0)

    def gradient() -> Gradient:
        value, grads = jax.value_and_grad(loss)(first())
        return float(value), {name: np.asarray(grad) for name, grad in grads.items()}

    def step() -> None:
        nonlocal state
        state = jax.block_until_ready(compiled(state))

    return Contender(gradient, step, len(given.x))


def article_code(given: Problem) -> Contender:
    """The article's training, one window a step; the gradient is that without its faults."""
    columns = {"b_h": (HIDDEN, 1), "b_y": (1, 1)}
    params = {
        name: value.astype(np.float64).reshape(columns.get(name, value.shape))
        for name, value in given.params.items()
    }

    def gradient() -> Gradient:
        losses, sums = [], {name: np.zeros(np.shape(v)) for name, v in given.params.items()}
        for x, y in zip(given.x, given.y[..., np.newaxis], strict=True):
            outputs, states = article.forward(params, x)
            losses.append((outputs[-1] - y).item() ** 2)
            for name, grad in article.gradients(params, x, y, outputs, states).items():
                sums[name] += grad.reshape(sums[name].shape) / len(given.x)
        return sum(losses) / len(losses), sums

    return Contender(gradient, article.training_step(), 1)


CONTENDERS: Mapping[str, Callable[[Problem], Contender]] = {
    OURS: this_program,
    PYTORCH: pytorch,
    JAX: jax_rows,
    JAX_COLUMNS: jax_columns,
    ARTICLE: article_code,
}


def check_agreement(gradients: Mapping[str, Gradient]) -> None:
    """Compare everyone's loss and gradient with the first one's, to float32's accuracy.

    Raises:
        AssertionError: someone computes something else.
    """
    (first, (loss, grads)), *others = gradients.items()
    for name, (other_loss, other_grads) in others:
        who = f"{name} and {first}"
        np.testing.assert_allclose(other_loss, loss, rtol=1e-4, err_msg=f"loss: {who}")
        for array, grad in grads.items():
            largest = float(np.abs(grad).max())
            np.testing.assert_allclose(
                other_grads[array], grad, atol=1e-4 * largest, err_msg=f"{array}: {who}"
            )


def contenders(given: Problem) -> dict[str, Contender]:
    """Those whose framework is installed."""
    found = {}
    for name, make in CONTENDERS.items():
        try:
            found[name] = make(given)
        except ImportError:
            continue
    return found


def rows(quick: bool = False) -> list[Row]:
    """Return a row for each size of batch and contender."""
    found = []
    with one_core():
        for batch in BATCHES[:2] if quick else BATCHES:
            given = problem(batch)
            there = contenders(given)
            check_agreement({name: each.gradient() for name, each in there.items()})
            square = np.ones((1024, 1024), np.float32)
            product = np.empty_like(square)
            works = {name: each.step for name, each in there.items()}
            works[PEAK] = lambda a=square, out=product: np.matmul(a, a, out=out)
            taken = take_turns(works, 3, 0.002) if quick else take_turns(works, 25, 0.02)
            for name, each in there.items():
                taken[name] = [seconds * batch / each.windows for seconds in taken[name]]
            found += _rows_of_batch(batch, taken)
        found += [
            Row(GROUP, name, None, "not installed") for name in CONTENDERS if name not in there
        ]
    return found


def _rows_of_batch(batch: int, taken: Mapping[str, list[float]]) -> list[Row]:
    flops = 6 * STEPS * HIDDEN**2 * batch
    peak = 2 * 1024**3 / median(taken[PEAK]) / 1e9
    share = median_ratio(taken[PEAK], taken[OURS]) * flops / (2 * 1024**3)
    speed = flops / median(taken[OURS]) / 1e9
    figures = {"gflops": speed, "peak_gflops": peak, "share_of_peak": share}
    found = []
    for name in (each for each in CONTENDERS if each in taken):
        what = f"batch {batch}: {name}"
        if name == OURS:
            note = f"{speed:.0f} GFLOP/s, {share:.0%} of the {peak:.0f} of a large product"
            found.append(Row(GROUP, what, median(taken[name]), note, figures))
        else:
            ratio = median_ratio(taken[name], taken[OURS])
            note = f"this program is {ratio:.1f} times as fast"
            found.append(Row(GROUP, what, median(taken[name]), note, {"ratio": ratio}))
    return found
