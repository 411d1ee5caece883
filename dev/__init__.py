"""The developers' commands: a real Airflow to run against, and what it needs."""
