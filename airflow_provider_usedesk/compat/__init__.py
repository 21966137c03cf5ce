"""The one door to Airflow."""
