"""A real Airflow of separate processes, for the demo and for tests.

One class starts and stops what an Airflow is made of, on Airflow 2.11 to 3.3, and hides what differs between them::

    with AirflowStack(home, dags_folder, env={"AIRFLOW_CONN_CRITEO_DEFAULT": "..."}) as airflow:
        run_id = airflow.trigger("my_dag")
        assert airflow.wait("my_dag", run_id) == "success"

States, reschedules, XComs and triggers are read from the metadata database: it is the same on every version, and the
REST API knows no history of reschedules.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import sqlalchemy

from dev.postgres import Postgres
from dev.redis import Redis
from dev.system import free_port

BIN = Path(sys.executable).parent
FINISHED = ("success", "failed")
# Dead tasks, schedulers and triggerers are missed within seconds instead of minutes.
DEATHS_SEEN_SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
}
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def airflow_version() -> tuple[int, ...]:
    """The installed Airflow's version, as numbers."""
    try:
        text = version("apache-airflow-core")
    except PackageNotFoundError:
        text = version("apache-airflow")
    return tuple(int(part) for part in text.split(".")[:3])


class StackError(RuntimeError):
    """Airflow did not do what the stack waited for."""


@dataclass(frozen=True)
class TaskInstance:
    """One row of ``task_instance``."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    max_tries: int
    pid: int | None
    start_date: datetime | None
    end_date: datetime | None

    @property
    def name(self) -> str:
        """The task's id, with its index where it is mapped."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


@dataclass(frozen=True)
class Reschedule:
    """One row of ``task_reschedule``: a poke after which the task gave its worker back until ``until``."""

    task_id: str
    map_index: int
    at: datetime
    until: datetime


@dataclass(frozen=True)
class Change:
    """What :meth:`AirflowStack.wait` saw: a task's new state, or that it was rescheduled."""

    task: str
    what: str


class _Component:
    """One process of Airflow, in a session of its own."""

    def __init__(self, name: str, command: Sequence[str], job_type: str | None, env: Mapping[str, str] | None = None):
        self.name = name
        self.command = list(command)
        self.job_type = job_type
        self.env = dict(env or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = datetime.now(timezone.utc)
        self.output_start = 0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _members(sessions: set[int]) -> list[psutil.Process]:
    """The living processes of these sessions, orphans included."""
    found = []
    for pid in psutil.pids():
        if _session(pid) in sessions:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def _end_sessions(sessions: set[int], grace: float) -> None:
    """SIGTERM to every process of these sessions, SIGKILL to what is left after ``grace`` seconds."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        members = _members(sessions)
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(members, timeout=patience)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not stop the stopping."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class AirflowStack:
    """A real Airflow for as long as the ``with`` block runs; everything it started is ended with it.

    :param home: AIRFLOW_HOME; logs, the components' output (``output/``) and SQLite's file are in it.
    :param dags_folder: where the DAG files are.
    :param executor: ``LocalExecutor`` or ``CeleryExecutor`` (with a Redis and PostgreSQL of its own).
    :param database: ``sqlite`` or ``postgres``; by default SQLite where it suffices.
    :param parallelism: how many tasks may run at once.
    :param env: environment variables for every component, e.g. connections as ``AIRFLOW_CONN_...``.
    :param port: of the API server; by default a free one.
    :param triggerers: how many triggerers.
    :param celery_workers: how many Celery workers, each with a concurrency of 2.
    :param ui: whether to start Airflow 2's webserver; from 3.0 on the API server is always there.
    :param log_level: of the components and of the task logs.
    :param timeout: seconds to wait for Airflow to come up.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        executor: str = "LocalExecutor",
        database: str | None = None,
        parallelism: int = 4,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        triggerers: int = 1,
        celery_workers: int = 2,
        ui: bool = False,
        log_level: str = "INFO",
        timeout: float = 240,
    ) -> None:
        self.version = airflow_version()
        self.home = Path(home).absolute()
        self.dags_folder = Path(dags_folder).absolute()
        self.executor = executor
        needs_postgres = executor == "CeleryExecutor" or (self.version < (3,) and executor == "LocalExecutor")
        self.database = database or ("postgres" if needs_postgres else "sqlite")
        if self.database == "sqlite" and needs_postgres:
            raise ValueError("CeleryExecutor, and LocalExecutor on Airflow 2, need database='postgres'")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.timeout = timeout
        self._parallelism = parallelism
        self._log_level = log_level
        self._extra_env = dict(env or {})
        self._services = contextlib.ExitStack()
        self._sessions: set[int] = set()
        self._token: str | None = None
        self.components: dict[str, _Component] = {}
        self._declare_components(triggerers, celery_workers, ui)

    # -- what it is made of ------------------------------------------------------------------------------------

    def _declare_components(self, triggerers: int, celery_workers: int, ui: bool) -> None:
        def add(name: str, *arguments: str, job_type: str | None = None, **env: str) -> None:
            self.components[name] = _Component(name, [str(BIN / "airflow"), *arguments], job_type, env)

        if self.version >= (3,):
            add("api-server", "api-server", "--port", str(self.port))
            add("dag-processor", "dag-processor", job_type="DagProcessorJob")
        elif ui:
            add("webserver", "webserver", "--port", str(self.port))
        # Task logs are read from the disk, so nobody needs to serve them; two stacks would fight for the ports.
        add("scheduler", "scheduler", "--skip-serve-logs", job_type="SchedulerJob")
        for name in self._numbered("triggerer", triggerers):
            add(name, "triggerer", "--skip-serve-logs", job_type="TriggererJob")
        if self.executor == "CeleryExecutor":
            for name in self._numbered("worker", celery_workers, always=True):
                host = f"{name}@%h"
                add(name, "celery", "worker", "--skip-serve-logs", "-H", host, "-q", "default", CRITEO_WORKER=name)

    @staticmethod
    def _numbered(name: str, count: int, always: bool = False) -> list[str]:
        return [name] if count == 1 and not always else [f"{name}-{i}" for i in range(1, count + 1)]

    def _settings(self) -> dict[str, str]:
        settings = {
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_FOLDER": str(self.dags_folder),
            "CORE__EXECUTOR": self.executor,
            "CORE__PARALLELISM": str(self._parallelism),
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": str(max(self._parallelism, 16)),
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__TEST_CONNECTION": "Enabled",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "DATABASE__SQL_ALCHEMY_CONN": self.database_url,
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self.port),
            "API__WORKERS": "1",
            "API__BASE_URL": self.url,
            "API_AUTH__JWT_SECRET": self._secret,
            "API__SECRET_KEY": self._secret,
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
            # The default of 5 s can make the scheduler fail parallel sensors that are poked about as often.
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # The default of 5 s fails tasks where the machine is busy.
            "WORKERS__EXECUTION_API_TIMEOUT": "60",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            "LOGGING__LOGGING_LEVEL": self._log_level,
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
        }
        if self.version < (3,):
            settings |= {
                "SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
                "SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "5",
                "WEBSERVER__WORKERS": "1",
                "WEBSERVER__BASE_URL": self.url,
                "WEBSERVER__SECRET_KEY": self._secret,
            }
        if self.executor == "CeleryExecutor":
            settings |= {
                "CELERY__BROKER_URL": self._redis.url,
                "CELERY__RESULT_BACKEND": f"db+{self.database_url}",
                "CELERY__WORKER_CONCURRENCY": "2",
                "LOGGING__CELERY_LOGGING_LEVEL": "INFO",
            }
        return {f"AIRFLOW__{name}": value for name, value in settings.items()}

    def _environment(self) -> dict[str, str]:
        # The caller's own Airflow settings must not leak in; without .pyc files every process compiles anew.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("AIRFLOW_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        # Airflow starts children as plain "airflow": this environment's has to be the first that PATH finds.
        path = f"{BIN}{os.pathsep}{kept.get('PATH', '')}"
        return {
            **kept,
            "PATH": path,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(self.home),
            **self._settings(),
            **self._extra_env,
        }

    # -- start and stop ----------------------------------------------------------------------------------------

    def __enter__(self) -> AirflowStack:
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_all(self) -> None:
        (self.home / "output").mkdir(parents=True, exist_ok=True)
        self._end_leftovers()
        self._secret = secrets.token_hex(32)
        self.database_url = f"sqlite:///{self.home}/airflow.db"
        if self.database == "postgres":
            self._postgres = self._services.enter_context(Postgres())
            # The driver is named: which one is the default depends on SQLAlchemy's version.
            self.database_url = f"postgresql+psycopg2://{self._postgres.address}"
        if self.executor == "CeleryExecutor":
            self._redis = self._services.enter_context(Redis())
        self.environment = self._environment()
        self._engine = sqlalchemy.create_engine(self.database_url, **self._engine_options())
        self._services.callback(self._engine.dispose)
        self.cli("db", "migrate")
        for name in self.components:
            self._launch(name)
        self.wait_healthy()

    def _engine_options(self) -> dict[str, Any]:
        # Every query sees the present, and no reader ever blocks Airflow.
        options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_pre_ping": True}
        return options | ({"connect_args": {"timeout": 60}} if self.database == "sqlite" else {})

    def close(self) -> None:
        """End every process the stack started, the orphans too, then its database and broker."""
        with _uninterrupted():
            _end_sessions(self._sessions, grace=8)
            for component in self.components.values():
                if component.process:
                    component.process.wait()
            self._services.close()
            self._session_file.unlink(missing_ok=True)

    @property
    def _session_file(self) -> Path:
        return self.home / "sessions.json"

    def _end_leftovers(self) -> None:
        """End what an earlier run in this home left behind: it was killed before it could clean up."""
        if self._session_file.exists():
            leaders = json.loads(self._session_file.read_text())
            members = _members(set(leaders))
            # The ids may belong to others by now.
            ours = {p.pid for p in members if "airflow" in " ".join(p.cmdline()) or "celery" in " ".join(p.cmdline())}
            _end_sessions({sid for sid in leaders if any(_session(pid) == sid for pid in ours)}, grace=8)

    def _launch(self, name: str) -> None:
        component = self.components[name]
        if component.running:
            raise StackError(f"{name} runs already")
        component.started_at = datetime.now(timezone.utc)
        with self.output(name).open("ab") as output:
            component.output_start = output.tell()
            component.process = subprocess.Popen(
                component.command,
                env={**self.environment, **component.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions.add(component.process.pid)
        self._session_file.write_text(json.dumps(sorted(self._sessions)))

    def start(self, name: str) -> None:
        """Start a component that was stopped or killed, and wait until it is healthy."""
        self._launch(name)
        self.wait_healthy()

    def start_what_ended(self) -> None:
        """Start the components that have ended by themselves, as what supervises a deployment does."""
        for name, component in self.components.items():
            if not component.running:
                self._launch(name)

    @contextlib.contextmanager
    def database_away(self) -> Iterator[None]:
        """Stop PostgreSQL for as long as the block lasts."""
        self._postgres.stop()
        try:
            yield
        finally:
            self._postgres.start()

    def stop(self, name: str) -> None:
        """Stop a component: SIGTERM to all its processes, SIGKILL after 15 seconds."""
        process = self._process(name)
        _end_sessions({process.pid}, grace=15)
        process.wait()

    def restart(self, name: str) -> None:
        """Stop a component and start it again."""
        if self.components[name].running:
            self.stop(name)
        self.start(name)

    def kill(self, name: str, number: int = signal.SIGKILL, *, tree: bool = False) -> None:
        """Send a signal to a component's main process, or with ``tree`` to its children and orphans too.

        Under LocalExecutor the scheduler's children are the workers: without ``tree`` they live on.
        """
        process = self._process(name)
        for member in _members({process.pid}) if tree else [psutil.Process(process.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()

    def _process(self, name: str) -> subprocess.Popen[bytes]:
        process = self.components[name].process
        if process is None:
            raise StackError(f"{name} was never started")
        return process

    def task_process(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> psutil.Process:
        """The process in which this task runs now; its parent is the worker that supervises it.

        :raises StackError: where the task does not run.
        """
        for ti in self.task_instances(dag_id, run_id):
            if (ti.task_id, ti.map_index) == (task_id, map_index) and ti.state == "running" and ti.pid:
                with contextlib.suppress(psutil.NoSuchProcess):
                    return psutil.Process(ti.pid)
        raise StackError(f"{dag_id}.{task_id} does not run")

    def kill_task(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, *, worker: bool = False, timeout: float = 60
    ) -> int:
        """SIGKILL the task's process, with ``worker`` its supervising worker process too; returns the task's pid.

        :param timeout: seconds to wait for the task to run.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                process = self.task_process(dag_id, run_id, task_id, map_index)
                supervisor = process.parent()
            except (StackError, psutil.NoSuchProcess):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                continue
            # The worker first: it must not live to report the task's death.
            if worker and supervisor:
                supervisor.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
            return process.pid

    # -- health ------------------------------------------------------------------------------------------------

    def health(self) -> dict[str, bool]:
        """For each component, whether it runs and does its work."""
        return {name: self._healthy(component) for name, component in self.components.items()}

    def _healthy(self, component: _Component) -> bool:
        if not component.running:
            return False
        if component.job_type:
            beats = self.query(
                "select start_date, latest_heartbeat from job where job_type = :job_type and state = 'running'",
                job_type=component.job_type,
            )
            now = datetime.now(timezone.utc)
            alive = [
                beat
                for beat in beats
                if _time(beat["start_date"]) >= component.started_at
                and (now - _time(beat["latest_heartbeat"])).total_seconds() < 60
            ]
            return bool(alive)
        if component.name.startswith("worker"):
            return b" ready." in self.output(component.name).read_bytes()[component.output_start :]
        try:
            # The execution API is loaded at its first call: better now than when the first task waits for it.
            paths = ("/api/v2/version", "/execution/health") if self.version >= (3,) else ("/health",)
            return all(self._http("GET", path) for path in paths)
        except (OSError, ValueError, StackError):
            return False

    def wait_healthy(self) -> None:
        """Wait until every component that was started is healthy.

        :raises StackError: with the end of its output, for a component that ended or did not come up in time.
        """
        deadline = time.monotonic() + self.timeout
        started = [component for component in self.components.values() if component.process]
        for component in started:
            while not self._healthy(component):
                if not component.running or time.monotonic() > deadline:
                    what = "did not come up" if component.running else "ended"
                    raise StackError(f"{component.name} {what}:\n{self._tail(component.name)}")
                time.sleep(0.2)

    def output(self, name: str) -> Path:
        """The file that holds what a component printed."""
        return self.home / "output" / f"{name}.log"

    def _tail(self, name: str, lines: int = 40) -> str:
        return "\n".join(self.output(name).read_text(errors="replace").splitlines()[-lines:])

    # -- to run DAGs -------------------------------------------------------------------------------------------

    def cli(self, *arguments: str) -> str:
        """Run ``airflow ...`` in the stack's environment and return what it printed.

        :raises StackError: with all it printed, where it fails.
        """
        done = subprocess.run(
            [str(BIN / "airflow"), *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        if done.returncode:
            raise StackError(f"airflow {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until Airflow has read this DAG from its file.

        :raises StackError: where it has not after the stack's timeout; with the import errors there are.
        """
        deadline = time.monotonic() + self.timeout
        while not self.query("select 1 from dag where dag_id = :dag_id", dag_id=dag_id):
            if time.monotonic() > deadline:
                errors = [error["stacktrace"] for error in self.query("select stacktrace from import_error")]
                raise StackError(f"no DAG {dag_id} in {self.dags_folder}\n" + "\n".join(errors))
            time.sleep(0.2)

    def unpause(self, dag_id: str) -> None:
        """Unpause a DAG."""
        if self.query("select is_paused from dag where dag_id = :dag_id", dag_id=dag_id)[0]["is_paused"]:
            if self.version >= (3,):
                self.rest("PATCH", f"/dags/{dag_id}", {"is_paused": False})
            else:
                self.cli("dags", "unpause", dag_id)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, logical_date: datetime | None = None) -> str:
        """Start a run of a DAG, which is unpaused first where need be, and return the run's id.

        :param conf: the run's, for templates.
        :param logical_date: by default now, as from the UI.
        """
        self.wait_for_dag(dag_id)
        self.unpause(dag_id)
        date = (logical_date or datetime.now(timezone.utc)).isoformat()
        run_id = f"manual__{secrets.token_hex(6)}"
        if self.version >= (3,):
            body = {"dag_run_id": run_id, "logical_date": date, "conf": dict(conf or {})}
            self.rest("POST", f"/dags/{dag_id}/dagRuns", body)
        else:
            arguments = ["--run-id", run_id, "--conf", json.dumps(conf or {}), "--exec-date", date]
            self.cli("dags", "trigger", dag_id, *arguments)
        return run_id

    def wait(
        self,
        dag_id: str,
        run_id: str,
        timeout: float = 300,
        on_change: Callable[[Change], None] | None = None,
    ) -> str:
        """Wait until a run has ended and return its state, ``success`` or ``failed``.

        :param timeout: seconds.
        :param on_change: called for each task's new state and each reschedule, in order.
        :raises StackError: where the run has not ended in time.
        """
        deadline = time.monotonic() + timeout
        states: dict[str, str] = {}
        reschedules = 0
        while True:
            state = self.dag_run_state(dag_id, run_id)
            if on_change:
                for ti in self.task_instances(dag_id, run_id):
                    if ti.state and states.get(ti.name) != ti.state:
                        states[ti.name] = ti.state
                        on_change(Change(ti.name, ti.state))
                rows = self.reschedules(dag_id, run_id)
                for row in rows[reschedules:]:
                    name = row.task_id if row.map_index < 0 else f"{row.task_id}[{row.map_index}]"
                    seconds = (row.until - row.at).total_seconds()
                    on_change(Change(name, f"rescheduled: the worker is free, next poke in {seconds:.0f} s"))
                reschedules = len(rows)
            if state in FINISHED:
                return state
            if time.monotonic() > deadline:
                seen = {ti.name: ti.state for ti in self.task_instances(dag_id, run_id)}
                raise StackError(f"{dag_id} {run_id} is {state} after {timeout:.0f} s: {seen}")
            time.sleep(0.2)

    def run(self, dag_id: str, conf: Mapping[str, Any] | None = None, timeout: float = 300) -> tuple[str, str]:
        """Trigger a DAG and wait for it; returns the run's id and its state."""
        run_id = self.trigger(dag_id, conf)
        return run_id, self.wait(dag_id, run_id, timeout)

    # -- to look at what happened ------------------------------------------------------------------------------

    def query(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query on the metadata database."""
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(sqlalchemy.text(sql), parameters).mappings()]

    def dag_run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        rows = self.query(
            "select state from dag_run where dag_id = :dag_id and run_id = :run_id", dag_id=dag_id, run_id=run_id
        )
        if not rows:
            raise StackError(f"{dag_id} has no run {run_id}")
        return str(rows[0]["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """The tasks of a run, as they are now."""
        rows = self.query(
            "select task_id, map_index, state, try_number, max_tries, pid, start_date, end_date from task_instance"
            " where dag_id = :dag_id and run_id = :run_id order by start_date, task_id, map_index",
            dag_id=dag_id,
            run_id=run_id,
        )
        dates = ("start_date", "end_date")
        return [TaskInstance(**{**row, **{date: row[date] and _time(row[date]) for date in dates}}) for row in rows]

    def task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskInstance:
        """One task of a run, as it is now."""
        for ti in self.task_instances(dag_id, run_id):
            if (ti.task_id, ti.map_index) == (task_id, map_index):
                return ti
        raise StackError(f"{dag_id} {run_id} has no task {task_id}[{map_index}]")

    def reschedules(self, dag_id: str, run_id: str) -> list[Reschedule]:
        """The reschedules of a run, in order. A task's last poke writes none."""
        by_task_instance = "ti.id = r.ti_id"
        by_key = (
            "ti.dag_id = r.dag_id and ti.task_id = r.task_id and ti.run_id = r.run_id and ti.map_index = r.map_index"
        )
        rows = self.query(
            "select ti.task_id, ti.map_index, r.end_date, r.start_date, r.reschedule_date from task_reschedule r"
            f" join task_instance ti on {by_task_instance if self.version >= (3,) else by_key}"
            " where ti.dag_id = :dag_id and ti.run_id = :run_id order by r.id",
            dag_id=dag_id,
            run_id=run_id,
        )
        return [
            Reschedule(
                row["task_id"],
                row["map_index"],
                # Some versions write the two the wrong way round.
                max(_time(row["start_date"]), _time(row["end_date"])),
                _time(row["reschedule_date"]),
            )
            for row in rows
        ]

    def triggers(self) -> list[dict[str, Any]]:
        """The rows of the triggers that wait now."""
        return self.query("select * from trigger order by id")

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """A task's XCom, or ``None``."""
        rows = self.query(
            "select value from xcom where dag_id = :dag_id and run_id = :run_id and task_id = :task_id"
            " and key = :key and map_index = :map_index",
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            key=key,
            map_index=map_index,
        )
        return self._json(rows[0]["value"]) if rows else None

    def rendered(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """A task's rendered template fields, as the UI shows them."""
        rows = self.query(
            "select rendered_fields from rendered_task_instance_fields where dag_id = :dag_id and run_id = :run_id"
            " and task_id = :task_id and map_index = :map_index",
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
        )
        if not rows:
            raise StackError(f"{dag_id} {run_id} has no rendered fields of {task_id}")
        fields: dict[str, Any] = self._json(rows[0]["rendered_fields"])
        return fields

    def _json(self, value: Any) -> Any:
        # PostgreSQL gives the value itself, SQLite its text, Airflow 2 keeps XComs as bytes.
        if isinstance(value, bytes | memoryview):
            return json.loads(bytes(value))
        return json.loads(value) if self.database == "sqlite" and value is not None else value

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """What one try of a task logged, its triggerer's part included."""
        mapped = f"/map_index={map_index}" if map_index >= 0 else ""
        folder = self.home / "logs" / f"dag_id={dag_id}/run_id={run_id}/task_id={task_id}{mapped}"
        files = sorted(folder.glob(f"attempt={try_number}.log*"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    def log_records(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
    ) -> list[dict[str, Any]]:
        """A try's log as records with at least ``event``; from Airflow 3.0 on also ``level``, ``logger``, ..."""
        records = []
        for line in self.log(dag_id, run_id, task_id, try_number, map_index).splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            records.append(record if isinstance(record, dict) else {"event": line})
        return records

    def log_text(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """A try's log as a human reads it: what was said, and the exceptions, without times and loggers."""
        records = self.log_records(dag_id, run_id, task_id, try_number, map_index)
        return "\n".join(
            text for record in records for text in (str(record.get("event")), *_texts(record.get("error_detail")))
        )

    def files(self) -> Iterator[Path]:
        """Every log and every component's output."""
        for folder in ("logs", "output"):
            yield from (path for path in sorted((self.home / folder).rglob("*")) if path.is_file())

    def dump(self) -> Iterator[str]:
        """The whole metadata database as text, a row at a time."""
        tables = sqlalchemy.inspect(self._engine).get_table_names()
        for table in tables:
            for row in self.query(f'select * from "{table}"'):
                values = {
                    name: bytes(value).decode(errors="replace") if isinstance(value, bytes | memoryview) else value
                    for name, value in row.items()
                }
                yield f"{table}: {values}"

    # -- REST --------------------------------------------------------------------------------------------------

    def rest(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call Airflow 3's REST API; ``path`` is what follows ``/api/v2``."""
        if self._token is None:
            self._token = self._http("GET", "/auth/token")["access_token"]
        return self._http(method, f"/api/v2{quote(path, safe='/?=&~')}", body, self._token)

    def _http(self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str | None = None) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with _NO_PROXY.open(request, timeout=60) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            raise StackError(f"{method} {path} was answered {error.code}: {error.read().decode()[:2000]}") from error
        return json.loads(text) if text else None


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _time(value: datetime | str) -> datetime:
    """A moment of the metadata database: SQLite gives text, and no time zone."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
