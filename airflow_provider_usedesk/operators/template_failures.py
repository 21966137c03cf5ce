"""The template fields of a task that cannot be rendered, told without their templates and values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)
from airflow_provider_usedesk.hooks.templates import InvalidTemplate

if TYPE_CHECKING:
    from airflow_provider_usedesk.operators.base import UsedeskOperator


class TemplateFailures:
    """Collects the errors of the template fields of one task."""

    def __init__(self) -> None:
        self._errors: dict[str, Exception] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._errors

    @contextmanager
    def collecting(self, name: str) -> Iterator[None]:
        """
        Collect the error of a field, unless a template decides the state of the task.

        :param name: the name of the field
        """
        try:
            yield
        except (AirflowSkipException, AirflowFailException):
            raise
        except Exception as error:
            self._errors[name] = error

    def check(self, operator: UsedeskOperator) -> None:
        """
        Check that every field was rendered.

        :param operator: the operator
        :raises UsedeskInvalidRequest: naming every field, when a retry cannot repair them
        :raises AirflowException: naming every field with the class of its error
        """
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

        if not self._errors:
            return
        if all(isinstance(error, InvalidTemplate) for error in self._errors.values()):
            raise UsedeskInvalidRequest([f"{name}: {error}" for name, error in self._errors.items()])
        for name, error in self._errors.items():
            operator.log.debug("The template field %s cannot be rendered.", name, exc_info=error)
        # The text of an exception may contain what a template or a customer says.
        raise AirflowException(
            f"Nothing was sent to Usedesk, because templates of task {operator.task_id} failed: "
            f"{'; '.join(self._reasons())}. The log level DEBUG shows the errors, with personal data."
        )

    def _reasons(self) -> Iterator[str]:
        for name, error in self._errors.items():
            yield f"{name} ({error if isinstance(error, InvalidTemplate) else _class_of(error)})"


def _class_of(error: Exception) -> str:
    # The name of a variable can be a text of a customer, but this one is ours.
    is_row = str(error) == "'row' is undefined"
    return type(error).__name__ + (": only row_template of a batch knows the row" if is_row else "")
