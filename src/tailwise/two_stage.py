"""Second stages: make or train a balanced head on the features of a network that is trained already."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import Self

from tailwise.counts import ClassCounts
from tailwise.hyperparameters import flag, in_range, one_of

Metric = Literal["cosine", "euclidean"]


class FrozenBackbone(nn.Module):
    """A network of which the head alone is trained.

        z = head(x),   x = backbone(inputs) without gradient

    The backbone stays in evaluation mode when the whole is put into training mode: no dropout, and batch normalisation
    by the statistics it has gathered. Give the optimiser ``head.parameters()``.

    Args:
        backbone: inputs -> features (B, F); its parameters are told to take no gradient.
        head: features (B, F) -> logits (B, C).
        shift_batch_norm: let the batch normalisation layers go on gathering statistics, of the samples of this stage,
            while their weights stay as they are. In training the features are then normalised by batch.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020; shifted
    batch normalisation: Zhong et al., "Improving Calibration for Long-Tailed Recognition" (MiSLAS), CVPR 2021.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, shift_batch_norm: bool = False) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = head
        self.shift_batch_norm = flag("shift_batch_norm", shift_batch_norm)
        self.train(self.training)

    @property
    def constant(self) -> bool:
        """Whether the features of an input stay the same throughout the training, so that they can be kept."""
        return not (self.shift_batch_norm and _batch_norms(self.backbone))

    def train(self, mode: bool = True) -> Self:
        """Training mode for the head and, where they shift, the batch normalisation layers."""
        super().train(mode)
        self.backbone.eval()
        if self.shift_batch_norm:
            for layer in _batch_norms(self.backbone):
                layer.train(mode)
        return self

    def features(self, inputs: Tensor) -> Tensor:
        """(B, F), outside the graph."""
        with torch.no_grad():
            features: Tensor = self.backbone(inputs)
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, C)."""
        logits: Tensor = self.head(self.features(inputs))
        return logits


class LearnableWeightScaling(nn.Module):
    """A trained head with a learnable factor for each class (LWS).

        z_c = s_c * (<w_c, x> + b_c),   s_c = 1 at first

    Args:
        head: trained linear head (F -> C).
        train_head: train its weights as well, as MiSLAS does; otherwise w and b stay, and with w its directions.

    Raises:
        ValueError: the head is not linear.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020; with
    ``train_head`` Zhong et al., "Improving Calibration for Long-Tailed Recognition" (MiSLAS), CVPR 2021.
    """

    def __init__(self, head: nn.Module, train_head: bool = False) -> None:
        super().__init__()
        self.head = _required_linear(head).requires_grad_(train_head)
        self.scale = nn.Parameter(torch.ones(len(self.head.weight)).to(self.head.weight))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, C) of features (B, F)."""
        logits: Tensor = self.scale * self.head(features)
        return logits

    def merged(self) -> nn.Linear:
        """The linear head with the same logits: weights s_c * w_c and biases s_c * b_c."""
        bias = None if self.head.bias is None else self.scale * self.head.bias
        return _linear(self.scale.unsqueeze(1) * self.head.weight, bias)


def reset_head_(head: nn.Module) -> None:
    """Start a head afresh, in place, as classifier re-training (cRT) does: new random weights, from torch's generator.

    Args:
        head: one or more layers that have ``reset_parameters``, such as ``torch.nn.Linear`` and ``CosineHead``.

    Raises:
        ValueError: there is no such layer.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
    """
    resets = [reset for layer in head.modules() if callable(reset := getattr(layer, "reset_parameters", None))]
    if not resets:
        raise ValueError(f"{type(head).__name__} has no layer with reset_parameters; give a new head instead")
    for reset in resets:
        reset()


def tau_normalized(head: nn.Module, tau: float = 1.0) -> nn.Linear:
    """A copy of a trained linear head whose weight vectors are of more equal length.

        z_c = <x, w_c> / |w_c|^tau

    Under imbalance the weights of frequent classes grow longer. The bias is left out, as in the paper and the authors'
    code: it is 0 in the copy. A weight vector of length 0 stays as it is.

    Args:
        head: trained linear head (F -> C).
        tau: 0 leaves the weights as they are, 1 gives them all length 1; not negative. To find it on held-out samples,
            ``tailwise.posthoc.search_tau`` with ``TauNormalization``, the same on logits.

    Raises:
        ValueError: the head is not linear, or tau is negative or not finite.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
    """
    linear = _required_linear(head)
    weight = linear.weight / powered_lengths(linear.weight, tau).unsqueeze(1)
    return _linear(weight, None if linear.bias is None else torch.zeros_like(linear.bias))


def powered_lengths(weight: Tensor, tau: float) -> Tensor:
    """(C,): |w_c|^tau of weight vectors (C, F), 1 for those of length 0.

    Raises:
        ValueError: tau is negative or not finite.
    """
    lengths = weight.detach().norm(dim=1)
    return torch.where(lengths > 0, lengths ** in_range("tau", tau, at_least=0), 1)


def nearest_class_mean(
    features: Tensor, target: Tensor, num_classes: int | None = None, metric: Metric = "cosine"
) -> nn.Linear:
    """The head that predicts the class whose mean feature m_c is the nearest (NCM), every class counting the same.

        metric "cosine":     z_c = <x, m_c> / |m_c|           the largest cosine: z_c is it times |x|
        metric "euclidean":  z_c = <x, m_c> - |m_c|^2 / 2     the smallest distance: z_c is -|x - m_c|^2 / 2 + |x|^2 / 2

    A linear head says either. Its predictions are the method's; of its probabilities nobody promises anything.

    Args:
        features: (N, F) of the training samples, the backbone in evaluation mode; floating.
        target: (N,) their class indices.
        num_classes: C; by default the largest index plus one.
        metric: "cosine" or "euclidean".

    Returns:
        A head (F -> C) of the dtype and on the device of the features; the bias of cosines is 0.

    Raises:
        ValueError: the shapes do not fit, the metric is neither, an index is not below C, or a class has no sample.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020, whose
    Euclidean distance to means of length 1 predicts as the cosine does.
    """
    one_of("metric", metric, get_args(Metric))
    if features.ndim != 2 or not features.is_floating_point() or target.shape != features.shape[:1]:
        raise ValueError(
            f"features must be floating (N, F) and target (N,), got {features.dtype} of shape {tuple(features.shape)} "
            f"and shape {tuple(target.shape)}"
        )
    counts = ClassCounts.from_targets(target, num_classes)
    require_samples(counts)
    given = features.detach().cpu().double()
    sums = given.new_zeros(len(counts), given.shape[1]).index_add_(0, target.cpu(), given)
    means = sums / counts.tensor().unsqueeze(1)
    if metric == "cosine":
        weight, bias = F.normalize(means, dim=1), means.new_zeros(len(means))
    else:
        weight, bias = means, -means.square().sum(dim=1) / 2
    return _linear(weight.to(features), bias.to(features))


def require_samples(class_counts: ClassCounts) -> None:
    """Refuse counts of which a mean cannot be taken.

    Raises:
        ValueError: a class has no samples.
    """
    if 0 in class_counts.counts:
        missing = list(class_counts).index(0)
        raise ValueError(f"class {missing} has no samples, so it has no mean; leave the class out of the data")


@torch.no_grad()
def max_norm_(weight: Tensor, radius: float) -> Tensor:
    """Shorten, in place, the weight vectors that are longer than ``radius`` to it; to be called after each step.

        w_c <- w_c * min(1, radius / |w_c|)

    Args:
        weight: (C, F) of a linear head.
        radius: positive.

    Returns:
        ``weight``.

    Raises:
        ValueError: the radius is not positive or not finite.

    Source: Alshammari et al., "Long-Tailed Recognition via Weight Balancing", CVPR 2022.
    """
    radius = in_range("radius", radius, above=0)
    lengths = weight.norm(dim=1, keepdim=True)
    return weight.mul_(torch.where(lengths > radius, radius / lengths, 1))


def max_norm_radius(weight: Tensor, threshold: float = 0.1) -> float:
    """A radius for ``max_norm_`` from a trained head: ``shortest + threshold * (longest - shortest)`` weight vector.

    Args:
        weight: (C, F) of a linear head.
        threshold: from 0, all as short as the shortest, to 1, none shortened at first; the authors' code takes 0.1.

    Raises:
        ValueError: the threshold is out of its range, or the radius would be 0.

    Source: the released code of Alshammari et al., "Long-Tailed Recognition via Weight Balancing", CVPR 2022.
    """
    lengths = weight.detach().norm(dim=1)
    shortest, longest = float(lengths.min()), float(lengths.max())
    radius = shortest + in_range("threshold", threshold, at_least=0, at_most=1) * (longest - shortest)
    if radius == 0:
        raise ValueError("the radius would be 0, as the shortest weight vector is; take a threshold above 0")
    return radius


def _required_linear(head: nn.Module) -> nn.Linear:
    if not isinstance(head, nn.Linear):
        raise ValueError(f"the length of class weights is that of a torch.nn.Linear head, got {type(head).__name__}")
    return head


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A head of these parameters."""
    head = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    head.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        head.bias = nn.Parameter(bias.detach().clone())
    return head


def _batch_norms(module: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
