"""Usedesk itself: works in any Python program, with or without Airflow."""
