"""Installing the app into workspaces: Slack's page, the code that it gives, the token for the code.

docs.slack.dev/authentication/installing-with-oauth
"""

import secrets

from tests.fakes.slack_calls import ApiError, Call
from tests.fakes.slack_settings import Json
from tests.fakes.slack_store import Store

ACCESS = "oauth.v2.access"


def consent(store: Store, query: dict[str, str], team: str) -> str:
    """Let somebody of a workspace press Allow on Slack's page; the code that goes back.

    Raises `ValueError` if Slack's page would show an error.
    """
    if query.get("client_id") != store.settings.client_id:
        raise ValueError("invalid_client_id")
    asked = set(query.get("scope", "").split(","))
    if not asked or asked - store.settings.scopes:
        raise ValueError(f"invalid_scope {asked - store.settings.scopes}")
    code = secrets.token_hex(8)
    store.codes[code] = team
    return code


def access(store: Store, call: Call) -> Json:
    """oauth.v2.access: a code is good once."""
    settings = store.settings
    client = (call.text("client_id"), call.text("client_secret"))
    if client != (settings.client_id, settings.client_secret):
        raise ApiError("bad_client_secret" if client[0] == settings.client_id else "bad_client_id")
    team = store.codes.pop(call.text("code"), None)
    if team is None:
        raise ApiError("invalid_code")
    token = settings.bot_token
    if team != settings.team_id:
        token = f"xoxb-{team}-{secrets.token_hex(4)}"
        for old in [known for known, of in store.tokens.items() if of == team]:
            del store.tokens[old]
        store.tokens[token] = team
    return {
        "access_token": token,
        "token_type": "bot",
        "scope": ",".join(sorted(settings.scopes)),
        "bot_user_id": settings.bot_user_id,
        "app_id": settings.app_id,
        "team": {"id": team, "name": team.lower()},
        "enterprise": None,
        "authed_user": {"id": "U0INSTALLER"},
        "is_enterprise_install": False,
    }
