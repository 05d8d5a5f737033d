"""The second stage of a run: features computed once, MaxNorm that is resumed, a router's loss, the head at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Self

from tailwise.data.arrays import Arrays
from tailwise.data.loader import Batches
from tailwise.distributed import Share
from tailwise.heads import CosineHead
from tailwise.models.classifier import Classifier
from tailwise.posthoc import TauNormalization, search_tau
from tailwise.recipes.stage2_config import ClassMeans, Stage2, TauNorm
from tailwise.routing import ExpertRouter
from tailwise.sampling import Draw, Partners
from tailwise.two_stage import LearnableWeightScaling, max_norm_, max_norm_radius, nearest_class_mean, tau_normalized

Labelled: TypeAlias = tuple[Tensor, Tensor]
"""Features (N, F) or logits (N, C) of samples, and their targets (N,)."""


class FeatureBatches:
    """Batches of the features of the training samples; they are computed when the first one is asked for.

    Takes the place of ``tailwise.data.loader.Batches`` where an input has the same features in every epoch.
    """

    def __init__(
        self,
        features: Callable[[], Labelled],
        class_names: tuple[str, ...],
        batch_size: int,
        device: torch.device,
        dtype: torch.dtype,
        share: Share,
    ) -> None:
        self._features = features
        self._share = share
        self._class_names = class_names
        self._batch_size = batch_size
        self._device = device
        self._dtype = dtype
        self._batches: Batches | None = None

    def shuffled(
        self, seed: int, epoch: int, draw: Draw | None = None, partners: Partners | None = None
    ) -> Iterator[Labelled]:
        """As of ``Batches``."""
        if self._batches is None:
            features, targets = (part.numpy() for part in self._features())
            features, targets = features.astype(np.float32, copy=False), targets.astype(np.int64, copy=False)
            arrays = Arrays(features, targets, self._class_names)
            self._batches = Batches(arrays, self._batch_size, self._device, self._share)
        for inputs, labels in self._batches.shuffled(seed, epoch, draw, partners):
            yield inputs.to(self._dtype), labels


class MaxNorm:
    """``max_norm_`` of a head by the radius that its weights have at the beginning of the stage."""

    def __init__(self, head: nn.Module, threshold: float) -> None:
        assert isinstance(head, nn.Linear)
        self.weight = head.weight
        self.radius = max_norm_radius(head.weight, threshold)

    def __call__(self) -> None:
        """Shorten the weight vectors that are longer."""
        max_norm_(self.weight, self.radius)

    def state_dict(self) -> dict[str, Any]:
        """The radius, which the weights do not tell later on."""
        return {"radius": self.radius}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self.radius = state_dict["radius"]


class RouterTraining(nn.Module):
    """The loss of a router on the experts of a trained classifier, which stay as they are.

    Args:
        classifier: of several experts; its parameters are told to take no gradient.
        router: to be trained.
        inference_logits: what the loss of the classifier predicts with, of its logits.
        share: of a batch whose inputs are given.
    """

    def __init__(
        self,
        classifier: Classifier,
        router: ExpertRouter,
        inference_logits: Callable[[Tensor], Tensor],
        share: Share,
    ) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False)
        self.router = router
        self.inference_logits = inference_logits
        self.share = share

    def train(self, mode: bool = True) -> Self:
        """Training mode for the router alone."""
        super().train(mode)
        self.classifier.eval()
        return self

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of the router, of the share's inputs as the classifier takes them and class indices (B,) of all."""
        with torch.no_grad():
            logits, features = self.classifier(inputs, with_experts=True)
            logits = self.inference_logits(logits.to(torch.promote_types(logits.dtype, torch.float32)))
            logits, features = (self.share.gathered(part, len(targets)) for part in (logits, features))
        return self.router.loss(logits, features, targets)


def finished_head(
    stage2: Stage2, head: nn.Module, training_features: Callable[[], Labelled], held_out: Callable[[], Labelled]
) -> tuple[nn.Module, dict[str, Any]]:
    """The head that a run ends with, of the kind that it began with, and what was found on the way.

    Args:
        stage2: of the recipe.
        head: as it was trained.
        training_features: gives features and targets of the training samples.
        held_out: gives logits of ``head`` and targets of the validation samples.
    """
    if isinstance(head, LearnableWeightScaling):
        return head.merged(), {}
    if isinstance(stage2, TauNorm):
        assert isinstance(head, nn.Linear)
        if stage2.tau != "search":
            return tau_normalized(head, stage2.tau), {}
        tau = search_tau(*held_out(), lambda tau: TauNormalization(head.weight.cpu(), head.bias.cpu(), tau))
        return tau_normalized(head, tau), {"found_tau": tau}
    if isinstance(stage2, ClassMeans):
        assert isinstance(head, (nn.Linear, CosineHead))
        features, targets = training_features()
        means = nearest_class_mean(features, targets, len(head.weight), stage2.metric)
        means = means.to(head.weight.device, head.weight.dtype)
        if isinstance(head, nn.Linear):
            return means, {}
        with torch.no_grad():
            head.weight.copy_(means.weight)
    return head, {}
