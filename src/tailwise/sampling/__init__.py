"""Samplers that draw rare classes more often: which samples an epoch trains on."""

from tailwise.sampling.balanced_batches import ClassBalancedBatchSampler, balanced_batch_draw, balanced_batches
from tailwise.sampling.by_class import Indices, SamplesByClass
from tailwise.sampling.draws import (
    Draw,
    Partners,
    epoch_generator,
    equalized_draw,
    equalized_indices,
    rebalanced_draw,
    rebalanced_indices,
)
from tailwise.sampling.probabilities import Rule, class_probabilities, effective_number_probabilities
from tailwise.sampling.rebalanced import Probabilities, RebalancedSampler
from tailwise.sampling.repeat_factor import (
    RepeatFactorSampler,
    repeat_factor_draw,
    repeat_factor_indices,
    repeat_factors,
)

__all__ = [
    "ClassBalancedBatchSampler",
    "Draw",
    "Indices",
    "Partners",
    "Probabilities",
    "RebalancedSampler",
    "RepeatFactorSampler",
    "Rule",
    "SamplesByClass",
    "balanced_batch_draw",
    "balanced_batches",
    "class_probabilities",
    "effective_number_probabilities",
    "epoch_generator",
    "equalized_draw",
    "equalized_indices",
    "rebalanced_draw",
    "rebalanced_indices",
    "repeat_factor_draw",
    "repeat_factor_indices",
    "repeat_factors",
]
