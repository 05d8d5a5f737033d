"""The ``loss`` section of a recipe: a registered loss and its own arguments."""

from __future__ import annotations

from typing import Any, get_type_hints

import torch
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from tailwise.counts import ClassCounts
from tailwise.losses import ClassificationLoss, LossOptions, build_loss, find_loss

PER_CLASS = ("weight",)
SET_BY_THE_TRAINER = ("class_counts", "ignore_index", "reduction")


class LossConfig(BaseModel):
    """A registered loss and its own arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _check_arguments(cls, given: Any) -> Any:
        """Hold the arguments to the types of the loss's own signature, so that a recipe's typo is found at once."""
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            return given
        entry = find_loss(given["name"])
        hints = get_type_hints(entry.cls.__init__) | get_type_hints(LossOptions)
        allowed = [key for key in entry.arguments if key not in SET_BY_THE_TRAINER]
        checked: dict[str, Any] = {"name": entry.name}
        for key, value in given.items():
            if key == "name":
                continue
            if key not in allowed:
                raise ValueError(f"{entry.name} has no setting {key!r}; it has {', '.join(allowed)}")
            adapter: TypeAdapter[Any] = TypeAdapter(hints[key], config=ConfigDict(arbitrary_types_allowed=True))
            try:
                checked[key] = adapter.validate_python(value)
            except ValidationError as error:
                wanted = "give one number per class" if key in PER_CLASS else error.errors()[0]["msg"]
                raise ValueError(f"{key}: {wanted}, got {value!r}") from None
        return checked

    @property
    def arguments(self) -> dict[str, Any]:
        """The loss's own keyword arguments."""
        return dict(self.model_extra or {})

    def build(self, class_counts: ClassCounts, epochs: int) -> ClassificationLoss:
        """The loss for a training of so many epochs on so many samples of each class.

        Raises:
            ValueError: the arguments are out of range, or do not fit the number of classes or of epochs.
        """
        arguments = self.arguments
        if "epochs" in find_loss(self.name).arguments:
            arguments.setdefault("epochs", epochs)
        loss = build_loss(self.name, class_counts, **arguments)
        loss.match_classes(len(class_counts), torch.device("cpu"))
        told = getattr(loss, "epochs", epochs)
        if told != epochs:
            raise ValueError(
                f"epochs is {told}, but the training has {epochs} epochs; leave it out and it follows them"
            )
        return loss
