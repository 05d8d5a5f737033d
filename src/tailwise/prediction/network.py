"""What a run predicts with, rebuilt from its directory: raw inputs to logits."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tailwise.counts import ClassCounts, CountsLike
from tailwise.errors import InputError
from tailwise.heads import ExpertHeads
from tailwise.losses import ClassificationLoss
from tailwise.models.classifier import Classifier
from tailwise.models.ride import MultiExpertResNet, routed_logits
from tailwise.models.timm_backbone import PREFIX as TIMM
from tailwise.reading import regular
from tailwise.recipes.config import Recipe
from tailwise.recipes.stage2_config import Routing
from tailwise.routing import ExpertRouter

State: TypeAlias = dict[str, Tensor]


class TrainedNetwork(nn.Module):
    """Raw inputs (B, H, W, channels) uint8 or (B, F) floating -> logits (B, C) whose softmax are probabilities.

    Args:
        classifier: trained.
        loss: of the head; it says what to predict with.
        router: which asks as few of the experts as it can, where there is one.
    """

    def __init__(self, classifier: Classifier, loss: ClassificationLoss, router: ExpertRouter | None = None) -> None:
        super().__init__()
        self.classifier = classifier
        self.loss = loss
        self.router = router

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, C); in a graph, whose course no value decides, every expert is asked."""
        if self.router is None:
            return self.loss.inference_logits(self.classifier(inputs).float())
        if torch.compiler.is_compiling():
            logits, features = self.classifier(inputs, with_experts=True)
            return self.router.choose(self.loss.inference_logits(logits.float()), features)[0]
        backbone, heads = self.classifier.backbone, self.classifier.head
        assert isinstance(backbone, MultiExpertResNet)
        assert isinstance(heads, ExpertHeads)
        images = self.classifier.standardize(inputs)
        return routed_logits(backbone, heads, self.router, images, self.loss.inference_logits)[0]


def sample_inputs(shape: tuple[int, ...]) -> Tensor:
    """One raw input of zeros, (1, H, W, channels) uint8 or (1, F) float32."""
    return torch.zeros(1, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)


def trained_network(
    path: Path, recipe: Recipe, input_shape: tuple[int, ...], class_counts: CountsLike
) -> TrainedNetwork:
    """The network of a finished run in evaluation mode, on the CPU; torch's random generator is left as it was.

    Args:
        path: run directory.
        recipe: of the run.
        input_shape: of a sample, (H, W, channels) or (F,).
        class_counts: (C,) of the training samples.

    Raises:
        InputError: weights are missing, broken or not those of the recipe, or timm is.
    """
    counts = ClassCounts(class_counts)
    weights = _read(path / "weights.safetensors")
    try:
        with torch.random.fork_rng(devices=()):
            if not recipe.model.name.startswith(TIMM):
                # Without memory first: a configuration of another hand may ask for more than there is.
                with torch.device("meta"):
                    sketch = recipe.classifier(sample_inputs(input_shape), len(counts), pretrained=False)
                _require_fitting(sketch, *weights)
            classifier = recipe.classifier(sample_inputs(input_shape), len(counts), pretrained=False)
            config, epochs = recipe.last_loss
            loss = config.build(counts, epochs)
            router = _router(classifier, len(counts)) if isinstance(recipe.stage2, Routing) else None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    _load(classifier, *weights)
    if router is not None:
        _load(router, *_read(path / "router.safetensors"))
    return TrainedNetwork(classifier, loss, router).eval().requires_grad_(False)


def _router(classifier: Classifier, num_classes: int) -> ExpertRouter:
    backbone = classifier.backbone
    assert isinstance(backbone, MultiExpertResNet)
    return ExpertRouter(backbone.num_experts, backbone.num_features, num_classes)


def _read(file: Path) -> tuple[Path, State]:
    """The tensors of a file."""
    try:
        return file, load_file(regular(file))
    except FileNotFoundError as error:
        raise InputError(f"there is no {file}; train the run again") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} cannot be read ({error}); train the run again") from error


def _load(module: nn.Module, file: Path, state: State) -> None:
    """Fill a module with the weights of a file, if they are all of its and no others."""
    _require_fitting(module, file, state)
    module.load_state_dict(state)


def _require_fitting(module: nn.Module, file: Path, state: State) -> None:
    wanted, given = ({name: _kind(tensor) for name, tensor in of.items()} for of in (module.state_dict(), state))
    for name in [*wanted, *given]:
        if wanted.get(name) != given.get(name):
            raise InputError(
                f"{file} does not fit the config.yaml beside it: {name} is to have {wanted.get(name, 'none')} and has "
                f"{given.get(name, 'none')}; one of the two is of another run, so train it again"
            )


def _kind(tensor: Tensor) -> str:
    return f"shape {tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
