"""The provider's metadata, for Airflow's discovery: one literal dict, no imports."""


def get_provider_info() -> dict:  # type: ignore[type-arg] # no imports here
    """What this package adds to Airflow; the connection form of every Airflow version is built from it."""
    return {
        "package-name": "airflow-provider-criteo",
        # Read by the Astronomer registry; Airflow does not ask for it.
        "versions": ["0.1.0"],
        "name": "Criteo",
        "description": "Criteo's report exports: create, wait, download.",
        "integrations": [
            {
                "integration-name": "Criteo",
                "external-doc-url": "https://developers.criteo.com/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {"integration-name": "Criteo", "python-modules": ["airflow_provider_criteo.hooks.criteo"]},
        ],
        "operators": [
            {
                "integration-name": "Criteo",
                "python-modules": [
                    "airflow_provider_criteo.operators.report_job",
                    "airflow_provider_criteo.operators.accounts",
                ],
            },
        ],
        "sensors": [
            {"integration-name": "Criteo", "python-modules": ["airflow_provider_criteo.sensors.report_job"]},
        ],
        "triggers": [
            {"integration-name": "Criteo", "python-modules": ["airflow_provider_criteo.triggers.report_job"]},
        ],
        "transfers": [
            {
                "source-integration-name": "Criteo",
                "target-integration-name": "Common IO",
                "python-module": "airflow_provider_criteo.transfers.report_to_object_storage",
            }
        ],
        "extra-links": ["airflow_provider_criteo.operators.links.ReportTypeDocumentationLink"],
        "connection-types": [
            {
                "connection-type": "criteo",
                "hook-class-name": "airflow_provider_criteo.hooks.criteo.CriteoHook",
                "hook-name": "Criteo",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "login": "Client ID",
                        "password": "Client secret",
                        "host": "API host",
                        "port": "API port",
                    },
                    "placeholders": {
                        "login": "partners.criteo.com > My apps > your app > App credentials",
                        "password": "in the file that 'Create new key' downloads, and nowhere else",
                        "host": "empty for https://api.criteo.com",
                        "port": "443, or that of your host: the Test button of Airflow 3.3 needs it",
                    },
                },
                "conn-fields": {
                    "grant_type": {
                        "label": "Grant type",
                        "description": (
                            "The authentication method of your app, as its page in Criteo's partner portal "
                            "(partners.criteo.com > My apps) has it: client_credentials for 'Client Credentials', "
                            "refresh_token for 'Authorization Code'."
                        ),
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["client_credentials", "refresh_token"],
                            "default": "client_credentials",
                        },
                    },
                    "refresh_token": {
                        "label": "Refresh token",
                        "description": (
                            "Only for the grant type refresh_token: Criteo gives it with the first access token, after "
                            "the account's user has given consent on your app's consent URL. Valid for 6 months."
                        ),
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "refresh_token_variable": {
                        "label": "Refresh token variable",
                        "description": (
                            "Only for the grant type refresh_token: the name of an Airflow Variable in which the newest "
                            "refresh token is kept, should Criteo give a new one at each use. Empty: none is kept."
                        ),
                        "schema": {"type": ["string", "null"]},
                    },
                    "api_version": {
                        "label": "API version",
                        "description": (
                            "Empty takes each report type's own default, which moves on when Criteo ends a version. One of: 2026-01, 2026-07, 2027-01, preview, "
                            "experimental."
                        ),
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["2026-01", "2026-07", "2027-01", "preview", "experimental"],
                        },
                    },
                    "timeout": {
                        "label": "Timeout (seconds)",
                        "description": "How long to wait for an answer of Criteo's. Empty: 60.",
                        "schema": {"type": ["number", "null"], "minimum": 1, "maximum": 600},
                    },
                    "calls_per_minute": {
                        "label": "Calls per minute",
                        "description": (
                            "A ceiling of your own for all deferred waits of this connection, where other programs "
                            "share the app's quota. Criteo allows 40 report calls a minute. Empty: as many as Criteo "
                            "allows."
                        ),
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                },
            }
        ],
    }
