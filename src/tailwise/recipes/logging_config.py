"""The ``logging`` section of a recipe: where a run's figures are copied to while it trains."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from tailwise.recipes.section import Section


class TensorBoardLog(Section):
    """Event files in the run directory, ``tensorboard/``."""

    name: Literal["tensorboard"] = "tensorboard"


class WandbLog(Section):
    """Weights & Biases, offline unless told otherwise: in the run directory, ``wandb/``."""

    name: Literal["wandb"] = "wandb"
    project: Annotated[str, Field(min_length=1)] = "tailwise"
    entity: str | None = Field(None, description="user or team that the project is of; by default one's own")
    group: str | None = Field(None, description="what runs are grouped by; by default the recipe's name")
    tags: list[str] = Field(default_factory=list)
    online: bool = Field(False, description="send everything to the server at once; otherwise `wandb sync` does, later")


class MLflowLog(Section):
    """MLflow, in a database of the run directory, ``mlflow.db``, unless told otherwise."""

    name: Literal["mlflow"] = "mlflow"
    experiment: Annotated[str, Field(min_length=1)] = "tailwise"
    tracking_uri: str | None = Field(None, description="another database or a server, such as sqlite:///mlflow.db")


LogConfig: TypeAlias = Annotated[TensorBoardLog | WandbLog | MLflowLog, Field(discriminator="name")]


def _as_list(given: Any) -> Any:
    """One log stands for a list of it."""
    return [given] if isinstance(given, dict | Section) else given


def _check_different(logs: list[LogConfig]) -> list[LogConfig]:
    names = [log.name for log in logs]
    if len(set(names)) < len(names):
        raise ValueError(f"each log may stand once, got {', '.join(names)}")
    return logs


Logging: TypeAlias = Annotated[list[LogConfig], BeforeValidator(_as_list), AfterValidator(_check_different)]
