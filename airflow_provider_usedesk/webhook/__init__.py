"""The receiver of webhooks, as a plugin of Airflow 3 or as a program of its own."""
