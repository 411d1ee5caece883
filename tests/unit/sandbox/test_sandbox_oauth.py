"""The sandbox's tokens behave as Criteo documents them."""

from __future__ import annotations

import pytest
import requests

URLENCODED_TRAP = "grant_type=client_credentials&client_id={}&client_secret=a+b/c=d&e%f"


def test_a_json_token_request_is_refused_in_rfc_6749_form(caller, sandbox):
    reply = requests.post(f"{sandbox.url}/oauth2/token", json={"grant_type": "client_credentials"}, timeout=5)
    assert reply.status_code == 400
    assert reply.json()["error"] == "invalid_request"
    assert set(reply.json()) == {"error", "error_description", "error_uri"}


def test_a_secret_that_is_not_url_encoded_is_refused(sandbox):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = URLENCODED_TRAP.format(sandbox.client_id)
    reply = requests.post(f"{sandbox.url}/oauth2/token", body, headers=headers, timeout=5)
    assert reply.status_code in (400, 401)
    assert reply.json()["error"] in ("invalid_request", "invalid_client")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "x"}, 400, "invalid_grant"),
    ],
)
def test_wrong_token_requests(caller, form, status, error):
    reply = caller.fetch_token(**form)
    assert (reply.status_code, reply.json()["error"]) == (status, error)


def test_expires_in_is_900_and_tokens_differ(caller):
    first, second = caller.fetch_token().json(), caller.fetch_token().json()
    assert first["expires_in"] == 900
    assert first["access_token"] != second["access_token"]


def test_a_token_expires(caller, sandbox):
    caller.fetch_token()
    assert caller.create().status_code == 200
    sandbox.configure(token_lifetime=0)
    caller.fetch_token()
    reply = caller.create()
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (401, "authorization-token-expired")


def test_revoked_unknown_and_missing_tokens_have_their_codes(caller, sandbox):
    caller.fetch_token()
    assert sandbox.revoke_tokens("authorization-token-expired") >= 1
    codes = [caller.create().json()["errors"][0]["code"]]
    caller.token = "no-such-token"
    codes.append(caller.create().json()["errors"][0]["code"])
    codes.append(caller.create(headers={"Authorization": None}).json()["errors"][0]["code"])
    assert codes == ["authorization-token-expired", "authorization-token-invalid", "authorization-token-missing"]


def test_a_refresh_token_works_again_and_again(caller, sandbox):
    for _ in range(2):
        reply = caller.fetch_token(grant_type="refresh_token", refresh_token=sandbox.refresh_token)
        assert reply.json()["refresh_token"] == sandbox.refresh_token
    assert caller.create().status_code == 200


def test_a_rotated_refresh_token_works_once(caller, sandbox):
    sandbox.configure(rotate_refresh_token=True)
    old = sandbox.new_refresh_token()
    new = caller.fetch_token(grant_type="refresh_token", refresh_token=old).json()["refresh_token"]
    assert new != old
    assert caller.fetch_token(grant_type="refresh_token", refresh_token=old).json()["error"] == "invalid_grant"
    assert caller.fetch_token(grant_type="refresh_token", refresh_token=new).ok


def test_an_authorization_code_works_once(caller, sandbox):
    code = sandbox.authorization_code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://example.com"}
    assert caller.fetch_token(**form).json()["refresh_token"]
    assert caller.fetch_token(**form).json()["error"] == "invalid_grant"


def test_no_secret_and_no_token_is_in_the_journal(caller, sandbox):
    caller.fetch_token()
    caller.create()
    caller.fetch_token(grant_type="refresh_token", refresh_token=sandbox.refresh_token)
    journal = repr(sandbox.journal())
    for secret in (caller.token, sandbox.client_secret, "a%2Bb", sandbox.refresh_token):
        assert secret not in journal
    assert sandbox.journal("create")[0]["token"].startswith("sha256:")


def test_no_consent_and_no_scope_are_403(caller, sandbox):
    sandbox.configure(consent=False)
    assert caller.create().status_code == 403
    sandbox.configure(consent=True, scopes=["RetailMedia_Analytics_Read"])
    assert caller.create().status_code == 403
    assert caller.create("rm-campaigns").status_code == 200
    sandbox.configure(scopes=None, advertiser_ids=["1"])
    reply = caller.create()
    assert reply.json()["errors"][0]["code"] == "insufficient-accountpermissions"
    assert "2" in reply.json()["errors"][0]["detail"]


def test_no_advertiser_and_no_account_is_an_empty_list(caller, sandbox):
    sandbox.configure(advertiser_ids=[], account_ids=[])
    for path in ("/2026-07/advertisers/me", "/2026-07/retail-media/accounts"):
        assert caller.send("GET", path).json()["data"] == []
    assert caller.create().status_code == 403
