"""A local Criteo API to try reports with: Criteo itself has no sandbox.

As a process of its own, ``python -m airflow_provider_criteo.sandbox --pending-seconds 20``, which prints the
connection to use; in tests and notebooks as a context manager::

    from airflow_provider_criteo.sandbox import Sandbox

    with Sandbox(pending_seconds=0.5) as sandbox:
        os.environ["AIRFLOW_CONN_CRITEO_DEFAULT"] = sandbox.connection()
        sandbox.next_job(outcome="Failure", message="No data")
        sandbox.fault("status", "http-503", times=2)
        ...
        assert len(sandbox.journal("create")) == 1

and as the fixture ``criteo_sandbox`` of ``airflow_provider_criteo.sandbox.pytest_plugin``. ``SandboxControl(url)`` has
the same controls for a sandbox in another process; ``/_sandbox/`` tells all of them, every setting and every fault.

Where Criteo's own pages contradict each other, the sandbox follows the specification, and plays the other side on
demand:

====================================================================  =================================================
Contradiction                                                         Played by
====================================================================  =================================================
 1 where the id stands                                                ``id_location``
 2 status words: casing, ``failed`` and ``failure``, ``Unknown``      ``casing``, ``outcome="failed"``, ``pending_word``
 3 a POST that answers with the end                                   ``done_at_creation``, or the same request again
 4 a POST that answers 200, 201 or 202                                ``create_status``
 5 403, 404, 410 or 204 for a lost or expired job                     ``lost_status``, ``expired_status``, ``forget()``
 6 a status with and without counts, sizes, times and checksum        ``bare_status``, ``md5_spelling``, ``md5``
 7 the shapes of JSON files                                           ``json_shape``, the request's ``format``
 8 CSV that is labelled as something else                             ``csv_content_type``
 9 401 in the middle of a wait                                        ``revoke_tokens()``, ``token_lifetime``,
                                                                      faults ``token-expired``, ``token-revoked``
10 429 with ``x-ratelimit-reset`` alone                               fault ``http-429-reset-only``; ``rate_headers``
11 token errors in the form of RFC 6749                               always so
12 200 with warnings                                                  ``warnings``
13 ``Deprecation`` and ``Sunset`` headers                             ``deprecation``, ``sunset``
====================================================================  =================================================

What the settings mean stands with ``settings.JobSettings`` and ``settings.Settings``, the faults in ``FAULTS``.
"""

from __future__ import annotations

from airflow_provider_criteo.sandbox.controls import SandboxControl
from airflow_provider_criteo.sandbox.faults import FAULTS
from airflow_provider_criteo.sandbox.server import Sandbox

__all__ = ["FAULTS", "Sandbox", "SandboxControl"]
