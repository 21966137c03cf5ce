"""Symbols that Dags of the tests import, from the module that the installed Airflow has them in."""

from __future__ import annotations

try:
    from airflow.sdk import DAG, XComArg, dag, task
except ImportError:  # Airflow 2.11
    from airflow import DAG
    from airflow.decorators import dag, task
    from airflow.models.xcom_arg import XComArg

__all__ = ["DAG", "XComArg", "dag", "task"]
