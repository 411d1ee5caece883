"""Criteo's report export API in plain Python: usable without Airflow."""
