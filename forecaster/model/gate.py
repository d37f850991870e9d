"""Gates: what speaks for a head so far, in five numbers that each outcome updates.

**The mean.** The network says p, in units of sigma_t roots_h, and x comes of it, limited to +-4.
With a discount of 0.998 for each outcome (half in 346 of them) and overlapping horizons h, each
outcome does

    gain  <- 0.998   gain  + p x            what p explains of x
    power <- 0.998   power + p^2            what it claims
    noise <- 0.998^2 noise + h (p x)^2      the variance of gain
    size  <- 0.998   size  + x^2            n <- 0.998 n + 1

    t = gain / sqrt(noise)
    weight = gain / (power + 200 power / n), kept in 0 .. 1,  where t > 2 and n > 40, else 0

and the forecast is weight p. gain / power is the regression of x on p, out of sample, for every p
was said before its x; 200 power / n pulls it towards 0 as 200 outcomes would in which p explained
nothing.

Significance: if p knows nothing, the p x of horizon 1 are martingale differences, and the variance
of their sum is expected to be the sum of their squares. Over h sessions neighbours overlap. Their
sum is that of h sums S_j without overlap, and (S_1 + .. + S_h)^2 <= h (S_1^2 + .. + S_h^2): hence
the h, which is enough for any overlap. With the squares themselves for the variance, t is a
self-normalised sum (de la Pena, Lai and Shao (2009), "Self-Normalized Processes"): a single wild
outcome makes it 1 and no more. 2 is what a normal variable exceeds in 2.3 % of cases. That is said
of one look. A gate is looked at every session: in 1,500 of them one that has noise for a network
opens at some time in 30 % of the cases for h = 1 and 16 % for h = 5; but it is open 2 % and 1 % of
the time only, with a small weight, and adds 0.03 % to the squared error at most (simulated). With
1.64 and 50, which are half as careful, the worst of 36 series was 0.9 % worse than the baseline,
and with these 0.5 %.

`skill` is that of the network without its gate, 1 - sum (x - p)^2 / sum x^2: Campbell and Thompson
(2008), "Predicting Excess Stock Returns Out of Sample", with the baseline's forecast of 0.

**The spread.** The gain of an outcome is by how much a head's log likelihood exceeds the EWMA's,
both as Student's t(5); it is discounted by 1 - 1/126, and noise is as above. This is the comparison
of Diebold and Mariano (1995), "Comparing Predictive Accuracy", discounted. A head is put aside
while t < -2.33 and n > 40, as happens by chance once in a hundred times: it is trusted until the
contrary is shown, being the better one on most series.
"""

from dataclasses import dataclass
from math import log, log1p, sqrt

MEAN_DECAY = 0.998
SPREAD_DECAY = 1.0 - 1.0 / 126.0
LARGEST_OUTCOME = 4.0  # of |x|: one crash must not open a gate, nor shut it
SIGNIFICANT = 2.0  # of a mean
WORSE = -2.33  # of a spread
FEWEST = 40.0  # of n
SHRINKAGE = 200.0
FREEDOM = 5.0


@dataclass(frozen=True)
class Evidence:
    """What the outcomes so far say of one head at one horizon: discounted sums."""

    gain: float = 0.0
    power: float = 0.0  # of a mean; 0 of a spread
    noise: float = 0.0
    size: float = 0.0  # of a mean; 0 of a spread
    n: float = 0.0


def learn_mean(evidence: Evidence, said: float, happened: float, horizon: int) -> Evidence:
    """The evidence for a network's mean after one more outcome.

    Args:
        evidence: before it.
        said: p, the network's move in units of sigma_t roots_h, before any gate.
        happened: x, the move that came, in the same units.
        horizon: h.
    """
    x = min(max(happened, -LARGEST_OUTCOME), LARGEST_OUTCOME)
    gain = said * x
    return Evidence(
        gain=MEAN_DECAY * evidence.gain + gain,
        power=MEAN_DECAY * evidence.power + said * said,
        noise=MEAN_DECAY**2 * evidence.noise + horizon * gain * gain,
        size=MEAN_DECAY * evidence.size + x * x,
        n=MEAN_DECAY * evidence.n + 1.0,
    )


def t_value(evidence: Evidence) -> float:
    """By how many of its standard deviations the gain differs from 0; 0 where nothing is known."""
    if not evidence.noise > 0.0:
        return 0.0
    return evidence.gain / sqrt(evidence.noise)


def mean_weight(evidence: Evidence) -> float:
    """What the network's move is multiplied by: 0, the baseline, until evidence speaks for it."""
    shown = t_value(evidence) > SIGNIFICANT and evidence.n > FEWEST
    if not (shown and evidence.power > 0.0):
        return 0.0
    weight = evidence.gain / (evidence.power + SHRINKAGE * evidence.power / evidence.n)
    return min(max(weight, 0.0), 1.0)


def skill(evidence: Evidence) -> float | None:
    """The share of the baseline's squared error that the network without gate would take off.

    Negative where it adds to it; None while there is none to take off.
    """
    if not evidence.size > 0.0:
        return None
    return (2.0 * evidence.gain - evidence.power) / evidence.size


def learn_spread(
    evidence: Evidence, happened: float, head: float, ewma: float, horizon: int
) -> Evidence:
    """The evidence for a spread head after one more outcome.

    Args:
        evidence: before it.
        happened: the move that came.
        head: what the head said was its standard deviation, positive.
        ewma: what the EWMA said.
        horizon: h.
    """
    gain = _likelihood(happened, head) - _likelihood(happened, ewma)
    return Evidence(
        gain=SPREAD_DECAY * evidence.gain + gain,
        noise=SPREAD_DECAY**2 * evidence.noise + horizon * gain * gain,
        n=SPREAD_DECAY * evidence.n + 1.0,
    )


def spread_holds(evidence: Evidence) -> bool:
    """Whether the head may be used: it has not been worse than the EWMA beyond chance."""
    return not (t_value(evidence) < WORSE and evidence.n > FEWEST)


def _likelihood(move: float, deviation: float) -> float:
    """Log density, but for a constant, of a Student t(5) with this standard deviation."""
    z = move / deviation  # z^2 / (nu - 2) is (move / scale)^2 / nu
    return -log(deviation) - (FREEDOM + 1.0) / 2.0 * log1p(z * z / (FREEDOM - 2.0))
