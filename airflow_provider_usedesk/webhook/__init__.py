"""The receiver of webhooks: as a plugin of Airflow 3, or alone with ``python -m``."""
