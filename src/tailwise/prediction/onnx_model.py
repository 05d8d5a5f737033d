"""A run's classifier as an ONNX file, checked against the one that it was made from."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import tailwise
from tailwise.errors import InputError, first_line
from tailwise.extras import require_extra
from tailwise.posthoc import PosthocCorrection
from tailwise.prediction.decision import Decision
from tailwise.prediction.network import TrainedNetwork, sample_inputs
from tailwise.prediction.predictor import Predictor
from tailwise.reading import expanded
from tailwise.training.run_directory import write_atomically

TOLERANCE = 1e-4
CHECKED_BATCHES = (1, 5)
LARGEST_FILE = 2**31 - 1
"""Bytes of a protobuf message, which such a file is."""


class ExportError(RuntimeError):
    """The network cannot be exported, or what was exported computes something else; the message is one sentence."""


class ExportedNetwork(nn.Module):
    """Raw inputs (B, ...) -> logits (B, C) as trained, probabilities (B, C) and class indices (B,)."""

    def __init__(self, network: TrainedNetwork, decision: Decision) -> None:
        super().__init__()
        self.network = network
        self.decision = decision

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All three."""
        logits = self.network(inputs)
        return logits, *self.decision(logits)


def export_onnx(predictor: Predictor, path: str | Path) -> float:
    """Write an ONNX file with the input ``inputs`` and the outputs ``logits``, ``probabilities`` and ``class_index``.

    Inputs are raw, uint8 (B, H, W, channels) or float32 (B, F), of any number B; the normalisation is inside, and so
    are the calibration and the correction, of which ``logits`` have nothing. The metadata hold ``class_names`` and
    ``feature_names`` as JSON, ``notes``, ``recipe``, ``loss``, ``seed`` and ``tailwise``, the version.

    What onnxruntime computes is compared with the predictor before anything is written: probabilities must agree to
    :data:`TOLERANCE`, logits to it times the largest of them where that is above 1.

    Returns:
        By how much the probabilities differed at most.

    Raises:
        InputError: the correction looks at all samples at once, a library is missing, or the file cannot be written.
        ExportError: the network cannot be exported, or the two do not agree.
    """
    require_extra("an ONNX file", "onnx", "onnx", "onnxscript", "onnxruntime")
    if predictor.decision.needs_all:
        raise InputError(
            "this correction looks at all samples at once, which a network of single samples cannot; export without "
            "it, and correct the logits that come out by tailwise.posthoc"
        )
    model = ExportedNetwork(predictor.network.cpu(), predictor.decision).eval()
    content = _exported(model, predictor)
    difference = _largest_difference(content, predictor)
    try:
        write_atomically(expanded(path), content)
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror}; choose another --out") from error
    return difference


def _exported(model: ExportedNetwork, predictor: Predictor) -> bytes:
    example = sample_inputs(predictor.reader.shape).expand(2, *predictor.reader.shape).contiguous()
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=["inputs"],
                output_names=["logits", "probabilities", "class_index"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    except Exception as error:  # the exporter raises all kinds of exceptions on networks that it does not know
        raise ExportError(f"torch cannot export {predictor.run.model} to ONNX: {_root(error)}") from error
    assert program is not None
    content = program.model_proto
    for key, value in _metadata(predictor).items():
        content.metadata_props.add(key=key, value=value)
    if content.ByteSize() > LARGEST_FILE:
        raise ExportError(f"{predictor.run.model} has {content.ByteSize():,} bytes, but an ONNX file has at most 2 GB")
    return bytes(content.SerializeToString())


def _metadata(predictor: Predictor) -> dict[str, str]:
    run = predictor.run
    return {
        "class_names": json.dumps(run.class_names),
        "feature_names": json.dumps(run.feature_names),
        "notes": " ".join(predictor.notes),
        "recipe": run.recipe,
        "loss": run.loss,
        "seed": str(run.seed),
        "tailwise": tailwise.__version__,
    }


def _largest_difference(content: bytes, predictor: Predictor) -> float:
    """By how much probabilities of inputs like those of training differ, for batches of several sizes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    largest = 0.0
    for size in CHECKED_BATCHES:
        inputs = _inputs_like_training(predictor, size, generator)
        logits, probabilities, indices = session.run(None, {"inputs": inputs})
        expected_logits = predictor.logits(inputs)
        expected, _ = predictor.decide(expected_logits)
        scale = max(1.0, float(np.abs(expected_logits).max()))
        apart = float(np.abs(logits - expected_logits).max()) / scale
        difference = float(np.abs(probabilities - expected).max())
        largest = max(largest, difference)
        # Written so that a NaN is a disagreement.
        if not (apart <= TOLERANCE and difference <= TOLERANCE):
            raise ExportError(
                f"what onnxruntime computes differs from the network by {difference:.2g} in the probabilities and "
                f"{apart:.2g} in the logits, more than {TOLERANCE:g}; nothing was written"
            )
        _check_classes(predictor.decision.correction, expected_logits, indices)
    return largest


def _check_classes(correction: PosthocCorrection | None, logits: NDArray[np.float32], indices: NDArray[Any]) -> None:
    """Each class must be the best one, or as good as it up to rounding."""
    scores = logits.astype(np.float64)
    if correction is not None:
        scores = correction.transform(scores)
    chosen = np.take_along_axis(scores, indices[:, None], axis=1)[:, 0]
    if not (scores.max(axis=1) - chosen <= TOLERANCE * np.maximum(1.0, np.abs(scores).max(axis=1))).all():
        raise ExportError("onnxruntime decides for other classes than the network; nothing was written")


def _inputs_like_training(predictor: Predictor, size: int, generator: np.random.Generator) -> NDArray[Any]:
    """Noise of the mean and the standard deviation of the training inputs."""
    standardize = predictor.network.classifier.standardize
    noise = generator.normal(size=(size, *predictor.reader.shape))
    values = standardize.mean.cpu().numpy() + standardize.std.cpu().numpy() * noise
    return values.clip(0, 255).astype(np.uint8) if predictor.reader.is_image else values.astype(np.float32)


def _root(error: BaseException) -> str:
    """The first line of what an error goes back to, as the exporter wraps it in advice to its developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of torchvision, which nothing here needs, and of its own insides."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
