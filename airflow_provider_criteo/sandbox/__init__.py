"""A local Criteo API to try reports with: Criteo itself has no sandbox."""

from __future__ import annotations

from airflow_provider_criteo.sandbox.client import SandboxControl
from airflow_provider_criteo.sandbox.faults import FAULTS
from airflow_provider_criteo.sandbox.server import Sandbox

__all__ = ["FAULTS", "Sandbox", "SandboxControl"]
