"""The Apache Airflow provider for Criteo's report exports."""

__version__ = "0.1.0"
