"""Access to Airflow: its symbols, version facts, and all that is not a public interface."""
