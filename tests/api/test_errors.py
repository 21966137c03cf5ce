"""Errors: they can be pickled, and they carry the facts that a retry policy needs."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from airflow_provider_usedesk.api import errors

CLASSES = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.UsedeskError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_pickle_and_copy_keep_attributes(kind):
    if kind is errors.UsedeskInvalidRequest:
        error = kind(["subject: is required", "message: is required"])
    else:
        error = kind("what happened", status=200, code=121, ticket_id=77, retry_after=1.5)
    for duplicate in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(duplicate) is kind
        assert str(duplicate) == str(error)
        assert vars(duplicate) == vars(error)


def test_all_errors_share_base_class():
    assert len(CLASSES) == 17
    assert issubclass(errors.UsedeskInvalidRequest, ValueError)
