"""The provider's metadata, for Airflow's discovery: one literal dict, no imports."""


def get_provider_info() -> dict:  # type: ignore[type-arg] # no imports here
    """What this package adds to Airflow; the connection form of every Airflow version is built from it."""
    return {
        "package-name": "airflow-provider-criteo",
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
            {"integration-name": "Criteo", "python-modules": ["airflow_provider_criteo.operators.report_job"]},
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
                        "login": "partners.criteo.com > Developer portal > your app > Keys",
                        "password": "shown once, when the key is created",
                        "host": "https://api.criteo.com",
                        "port": "443",
                    },
                },
                "conn-fields": {
                    "grant_type": {
                        "label": "Grant type",
                        "description": (
                            "How the application signs in. client_credentials for your own accounts; refresh_token "
                            "for an app that uses the authorization code flow."
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
                            "Only for the grant type refresh_token: from the reply to the authorization code; it is "
                            "valid for 6 months."
                        ),
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "api_version": {
                        "label": "API version",
                        "description": "For every report type; empty takes each report type's own default.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["2026-01", "2026-07", "2027-01", "preview", "experimental"],
                        },
                    },
                    "timeout": {
                        "label": "Timeout (seconds)",
                        "description": "How long to wait for an answer of Criteo's; 60 where empty.",
                        "schema": {"type": ["number", "null"], "minimum": 1, "maximum": 600},
                    },
                    "calls_per_minute": {
                        "label": "Calls per minute",
                        "description": (
                            "A ceiling of your own for the triggerer, below Criteo's quota of 40 a minute; empty for "
                            "none."
                        ),
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                },
            }
        ],
    }
