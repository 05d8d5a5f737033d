"""Routing: gates that stop asking further experts once those that were asked are likely to be right."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.hyperparameters import in_range, whole_number

TOP_LOGITS = 5
HIDDEN_UNITS = 16


class ExpertRouter(nn.Module):
    """Gates between the experts of a multi-expert network, one after each expert but the last.

        u_i = [the 5 largest of zbar_i, relu(W_i x_i / |x_i| + b_i)],   zbar_i the mean logits of the experts 1 to i
        s_i = <v, u_i> + c,   x_i the features of expert i;   expert i + 1 is asked if sigmoid(s_i) > 1/2
        target t_i = 1 if zbar_i is wrong and some zbar_j, j > i, is right, else 0
        L = mean over the samples and the gates of -[positive_weight * t_i * log sigmoid(s_i)
                                                      + (1 - t_i) * log sigmoid(-s_i)]

    The first expert is always asked, and a sample that a gate has stopped stays so. W_i is of 16 units; v and c are the
    same for all gates. With fewer than five classes the logits are as many as those. The logits are to be those that
    one predicts with, for losses on cosines the scaled ones (``inference_logits``).

    Args:
        num_experts: E, at least 2.
        num_features: F of each expert.
        num_classes: C.
        positive_weight: how much more it costs to stop where a further expert would have helped; positive.

    Raises:
        ValueError: a number is out of its range.

    Source: Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts" (RIDE), ICLR 2021.
    """

    def __init__(self, num_experts: int, num_features: int, num_classes: int, positive_weight: float = 20.0) -> None:
        super().__init__()
        self.num_experts = whole_number("num_experts", num_experts, at_least=2)
        num_features = whole_number("num_features", num_features, at_least=1)
        self.num_logits = min(TOP_LOGITS, whole_number("num_classes", num_classes, at_least=1))
        self.positive_weight = in_range("positive_weight", positive_weight, above=0)
        self.hidden = nn.ModuleList(nn.Linear(num_features, HIDDEN_UNITS) for _ in range(num_experts - 1))
        self.last = nn.Linear(self.num_logits + HIDDEN_UNITS, 1)

    def gate(self, number: int, mean_logits: Tensor, features: Tensor) -> Tensor:
        """Scores (B,) of one gate.

        Args:
            number: i - 1, from 0 to E - 2.
            mean_logits: zbar_i, (B, C).
            features: x_i, (B, F).
        """
        top = mean_logits.topk(self.num_logits, dim=1).values
        hidden = F.relu(self.hidden[number](F.normalize(features, dim=1)))
        scores: Tensor = self.last(torch.cat([top, hidden], dim=1))
        return scores.squeeze(1)

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Scores (B, E - 1) of all gates.

        Args:
            logits: (B, E, C), floating, of every expert.
            features: (B, E, F) that they were made of.

        Raises:
            ValueError: they are not of E experts.
        """
        for name, given in (("logits", logits), ("features", features)):
            if given.ndim != 3 or given.shape[1] != self.num_experts:
                raise ValueError(
                    f"{name} must be of {self.num_experts} experts, (B, {self.num_experts}, ...), "
                    f"got shape {tuple(given.shape)}"
                )
        means = means_of_first(logits)
        gates = range(self.num_experts - 1)
        return torch.stack([self.gate(number, means[:, number], features[:, number]) for number in gates], dim=1)

    def loss(self, logits: Tensor, features: Tensor, target: Tensor) -> Tensor:
        """L, a scalar; the experts are meant to be frozen.

        Args:
            logits: (B, E, C), floating, of every expert.
            features: (B, E, F) that they were made of.
            target: (B,) class indices.

        Raises:
            ValueError: the shapes do not fit together.
        """
        if target.is_floating_point() or target.shape != logits.shape[:1]:
            raise ValueError(
                f"target must be class indices of shape ({len(logits)},), got {target.dtype} of shape "
                f"{tuple(target.shape)}; a gate has no soft targets"
            )
        scores = self(logits, features).float()
        weight = scores.new_tensor(self.positive_weight)
        return F.binary_cross_entropy_with_logits(scores, gate_targets(logits, target).to(scores), pos_weight=weight)

    def choose(self, logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """What ``ask`` returns, of experts that were all asked: nothing is saved, but no value decides what is done.

        Args:
            logits: (B, E, C) of every expert, as one predicts with them.
            features: (B, E, F) that they were made of.
        """
        stops = (self(logits, features) <= 0).long().cumsum(dim=1)
        asked = 1 + (stops == 0).sum(dim=1)
        means = means_of_first(logits)
        return means.gather(1, (asked - 1)[:, None, None].expand(-1, 1, means.shape[2])).squeeze(1), asked

    def ask(self, expert: Callable[[int, Tensor], tuple[Tensor, Tensor]], rows: Tensor) -> tuple[Tensor, Tensor]:
        """Predict, asking an expert for those samples alone whose gates say so.

        Args:
            expert: of a number from 0 and b rows gives what that expert makes of those samples: logits (b, C) and
                features (b, F).
            rows: (B,) 0 to B - 1, on the device of the samples.

        Returns:
            The mean logits (B, C) of the experts that were asked, and how many those were, (B,) int64.
        """
        total, features = expert(0, rows)
        asked = torch.ones_like(rows)
        for number in range(self.num_experts - 1):
            rows = rows[self.gate(number, total[rows] / (number + 1), features) > 0]
            if len(rows) == 0:
                break
            logits, features = expert(number + 1, rows)
            total = total.index_add(0, rows, logits)
            asked[rows] += 1
        return total / asked.unsqueeze(1), asked


def means_of_first(logits: Tensor) -> Tensor:
    """(B, E, C): at place i the mean of the logits (B, E, C) of the experts 0 to i."""
    numbers = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    return logits.cumsum(dim=1) / numbers.unsqueeze(1)


def gate_targets(logits: Tensor, target: Tensor) -> Tensor:
    """(B, E - 1): whether the first experts up to a gate are wrong and those up to some later expert are right.

    Args:
        logits: (B, E, C) of every expert.
        target: (B,) class indices.
    """
    right = means_of_first(logits).argmax(dim=2) == target.unsqueeze(1)
    later = right[:, 1:].flip(1).cummax(dim=1).values.flip(1)
    return ~right[:, :-1] & later
