"""The options of a plugin, read from its table into a model of its own."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from forecaster.config import explain, first_and_count
from forecaster.errors import ConfigError


class Options(BaseModel):
    """Options of a plugin: unknown keys are errors, types are not guessed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


Model = TypeVar("Model", bound=BaseModel)


def read_options(model: type[Model], options: Mapping[str, Any], table: str) -> Model:
    """Return `options` as an instance of `model`.

    Args:
        model: what is allowed; best a subclass of `Options`.
        options: as the table of the configuration has them.
        table: its name, such as `plugins.csv`, for messages.

    Raises:
        ConfigError: an option is unknown or bad; names the table, the key, the value and what
            is allowed.
    """
    try:
        # Whatever the model says: a misspelt option must not be ignored.
        return model.model_validate(dict(options), extra="forbid")
    except ValidationError as error:
        faults = explain(error, model)
        message, remedy = first_and_count(
            [(each.line(f"[{table}]"), each.remedy) for each in faults]
        )
        raise ConfigError(message, remedy=remedy) from error
