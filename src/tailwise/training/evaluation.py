"""What a classifier predicts of all samples of a part, and the figures of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from tailwise.counts import ClassCounts
from tailwise.data.loader import Batches
from tailwise.heads import ExpertHeads
from tailwise.losses import ClassificationLoss, MultiExpertLoss
from tailwise.metrics import classification_report
from tailwise.models.classifier import Classifier
from tailwise.models.ride import MultiExpertResNet, routed_logits
from tailwise.routing import ExpertRouter
from tailwise.training.processes import Processes


class Predictions(NamedTuple):
    """Logits (N, C) whose softmax are probabilities, targets (N,), on the CPU; with a router, of how many experts."""

    logits: Tensor
    targets: Tensor
    experts: Tensor | None

    def metrics(self, part: str, class_counts: ClassCounts) -> dict[str, float]:
        """The figures of a report, named by the part of the data: ``test/accuracy``."""
        report = classification_report(self.logits, self.targets, class_counts)
        if self.experts is not None:
            report["experts"] = float(self.experts.double().mean())
        return {f"{part}/{name}": value for name, value in report.items()}


@dataclass(frozen=True)
class Evaluation:
    """A classifier in evaluation mode; every process has the outputs for all samples."""

    classifier: Classifier
    processes: Processes
    dtype: torch.dtype

    def outputs(self, batches: Batches, output: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """The outputs for every sample and targets (N,), on the CPU."""
        self.classifier.eval()
        gathered = self.processes.share.gathered
        done: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad(), self.processes.fabric.autocast():
            for inputs, targets in batches.in_order():
                done.append((gathered(output(inputs).to(self.dtype), len(targets)), targets))
        return torch.cat([outputs for outputs, _ in done]).cpu(), torch.cat([targets for _, targets in done]).cpu()

    def predictions(
        self, batches: Batches, loss: ClassificationLoss | MultiExpertLoss, router: ExpertRouter | None
    ) -> Predictions:
        """Of the classifier that ``loss`` trained, or of the experts that ``router`` asks."""

        def inference_logits(logits: Tensor) -> Tensor:
            return loss.inference_logits(logits.to(self.dtype))

        if router is None:
            # Not the compiled network: other batches would need graphs of their own, and a call overwrites the last.
            network = self.classifier if self.processes.in_parts else self.classifier.forward
            logits, targets = self.outputs(batches, lambda inputs: inference_logits(network(inputs)))
            return Predictions(logits, targets, None)
        backbone, heads = self.classifier.backbone, self.classifier.head
        assert isinstance(backbone, MultiExpertResNet)
        assert isinstance(heads, ExpertHeads)

        def routed(inputs: Tensor) -> Tensor:
            """Logits, and beside them how many experts were asked."""
            images = self.classifier.standardize(inputs)
            logits, asked = routed_logits(backbone, heads, router, images, inference_logits)
            return torch.cat([logits, asked.to(logits).unsqueeze(1)], dim=1)

        outputs, targets = self.outputs(batches, routed)
        return Predictions(outputs[:, :-1].contiguous(), targets, outputs[:, -1].long())
