"""What the tests of tasks share."""

import tasks_in_process  # noqa: F401 - before Airflow

from airflow_provider_criteo.sandbox.pytest_plugin import _criteo_sandbox_server, criteo_sandbox  # noqa: F401
