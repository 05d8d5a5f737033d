"""Write a run's classifier as an ONNX file, normalisation and correction included, and check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tailwise.cli.options import Costs, Posthoc, Run, Tau, TestPrior, ThresholdMetric, parse_correction

EXAMPLE = "Example: tailwise export runs/digits/long-tailed-if20/ce/seed-0 -o digits.onnx --posthoc logit-adjustment"


def run(
    run_path: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file, .onnx.", show_default=False)],
    posthoc: Posthoc = None,
    tau: Tau = None,
    test_prior: TestPrior = None,
    metric: ThresholdMetric = None,
    costs: Costs = None,
) -> None:
    from tailwise.cli.display import console
    from tailwise.prediction.onnx_model import export_onnx
    from tailwise.prediction.predictor import load

    arguments = parse_correction(posthoc, tau, test_prior, metric, costs)
    predictor = load(run_path, posthoc, device="cpu", **arguments)
    difference = export_onnx(predictor, out)
    console().print(
        f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(predictor.class_names)} classes. onnxruntime's probabilities "
        f"differ from the run's by {difference:.1g} at most. {' '.join(predictor.notes)}",
        soft_wrap=True,
    )
