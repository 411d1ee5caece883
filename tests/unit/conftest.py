"""What the tests of tasks share."""

import tests.support.tasks_in_process  # noqa: F401 - before Airflow
