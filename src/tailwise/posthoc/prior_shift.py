"""Prior-shift correction: the test prior in place of the training prior, known or estimated."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from tailwise.conversion import as_array
from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range, whole_number
from tailwise.posthoc._base import PosthocCorrection, checked_logits, log_prior, match_classes, within_range
from tailwise.posthoc._registry import register_posthoc


@register_posthoc("prior-shift")
class PriorShift(PosthocCorrection):
    """Give a classifier of the training set the class frequencies of the test set.

        z + log q - log pi,   pi_c = n_c / N,   q the test prior

    Needs the training counts and the test prior. Where that is unknown, ``fit`` estimates it from the whole test set
    without its targets, as the prior under which the test samples are most likely, by expectation maximisation (EM)
    from q = pi:

        P_ic = softmax(z_i)_c * q_c / pi_c / sum_j softmax(z_i)_j * q_j / pi_j,   q_c <- 1/N_test * sum_i P_ic

    Each iteration raises the likelihood. It ends when no prior has a mean log-likelihood that is better by more than
    ``tolerance``: the likelihood is concave in q, so its slope is a bound on what is left to gain.

    Both assume that the samples of each class are as in training, that only the class frequencies differ, p(x | y)
    unchanged, and that softmax(z) is the training posterior, calibrated: see ``TemperatureScaling``. The logits of a
    loss that corrects for the prior already, such as balanced softmax, are those of a balanced training set: give equal
    counts.

    A class with test prior 0 is never predicted; its logit is the lowest finite number. The EM estimate of a class that
    is missing from the test set tends to 0 and reaches it where float64 ends.

    Args:
        class_counts: (C,) training counts, all positive.
        test_prior: (C,) frequencies or counts from 0 up, scaled to sum to 1; "uniform"; or None, to be estimated.
        max_iterations: of EM; where it needs more, a ``RuntimeWarning`` says how far it came.
        tolerance: what the mean log-likelihood of a test sample may be short of its maximum, in nats, positive.

    Attributes:
        test_prior_: (C,) float64, given or estimated; None before.
        log_likelihood_: after ``fit``, the mean log-likelihood ratio of q to pi at the start, which is 0, and after
            each iteration; times 2 * N_test it is the statistic of a likelihood-ratio test of q = pi.

    Raises:
        ValueError: a class has count 0, the test prior is no prior of C classes, or another argument is out of range.

    Source: Saerens, Latinne, Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori Probabilities: A
    Simple Procedure", Neural Computation 2002.
    """

    needs = "the training counts, and the test prior or the whole test set"

    def __init__(
        self,
        class_counts: CountsLike,
        test_prior: Literal["uniform"] | Sequence[float] | NDArray[Any] | Tensor | None = None,
        max_iterations: int = 1000,
        tolerance: float = 1e-6,
    ) -> None:
        self.log_prior = log_prior(class_counts)
        self.max_iterations = whole_number("max_iterations", max_iterations, at_least=1)
        self.tolerance = in_range("tolerance", tolerance, above=0)
        self.estimated = test_prior is None
        self.test_prior_ = None if test_prior is None else _as_prior(test_prior, len(self.log_prior))
        self.log_likelihood_: list[float] = []

    def fit(self, logits: Tensor | NDArray[Any]) -> Self:
        """Estimate the test prior.

        Args:
            logits: (N_test, C) of all test samples, whose targets are unknown.

        Raises:
            ValueError: there is no sample, the logits are not (N_test, C) or not finite, or the test prior was given.
        """
        if not self.estimated:
            raise ValueError("test_prior is given, so there is nothing to estimate; leave it out to estimate it")
        scores = checked_logits(logits).detach().cpu().double()
        match_classes(scores, len(self.log_prior), "class_counts")
        if len(scores) == 0:
            raise ValueError("the test prior cannot be estimated from 0 samples; give the logits of the test set")
        log_ratio = scores.log_softmax(dim=1) - self.log_prior
        largest = log_ratio.amax(dim=1, keepdim=True)
        likelihood = (log_ratio - largest).exp()  # p(x | y = c), up to a factor of each sample
        prior = self.log_prior.exp()
        self.log_likelihood_ = []
        for iteration in range(self.max_iterations + 1):
            evidence = likelihood @ prior
            slope = evidence.reciprocal() @ likelihood / len(scores)
            self.log_likelihood_.append(float((evidence.log() + largest.squeeze(1)).mean()))
            shortfall = float(slope.max()) - 1
            if shortfall <= self.tolerance or iteration == self.max_iterations:
                break
            prior = prior * slope
            prior = prior / prior.sum()
        if shortfall > self.tolerance:
            warnings.warn(
                f"the test prior has not converged in {self.max_iterations} iterations: the mean log-likelihood may be "
                f"{shortfall:.1g} short of its maximum; raise max_iterations or tolerance",
                RuntimeWarning,
                stacklevel=2,
            )
        self.test_prior_ = prior
        return self

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        if self.test_prior_ is None:
            raise ValueError("the test prior is unknown; give test_prior, or call fit with the test logits first")
        match_classes(logits, len(self.log_prior), "class_counts")
        shift = self.test_prior_.log() - self.log_prior
        return within_range(logits + shift.to(logits), logits.dtype)


def _as_prior(test_prior: str | Sequence[float] | NDArray[Any] | Tensor, num_classes: int) -> Tensor:
    """(C,) float64 summing to 1."""
    if isinstance(test_prior, str) and test_prior == "uniform":
        return torch.full((num_classes,), 1 / num_classes, dtype=torch.float64)
    given = as_array(test_prior)
    if given.dtype.kind in "iuf" and given.shape == (num_classes,):
        frequencies = given.astype(np.float64)
        with np.errstate(over="ignore"):
            total = frequencies.sum()
        if np.isfinite(total) and (frequencies >= 0).all() and total > 0:
            return torch.from_numpy(frequencies / total)
    raise ValueError(
        f'test_prior must be "uniform" or {num_classes} finite frequencies or counts from 0 up, not all of them 0, as '
        f"class_counts has {num_classes} classes, got {test_prior!r}"
    )
