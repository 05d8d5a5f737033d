"""Training runs: the loop, its optimiser and schedule, checkpoints, the run directory."""
