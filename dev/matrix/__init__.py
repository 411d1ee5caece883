"""Every supported Airflow on every Python that it allows: ``python -m dev.matrix``."""
