"""Slack's pages for installing the app into a workspace, as two handlers of our HTTP server.

The flow is slack_bolt's: a page with a button, Slack's page, and back with a code for a token.
"""

import logging

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from bots.incoming.reception import LEDGER_AWAY
from bots.slack.sdk.client import CALL_TIMEOUT_S, AppCredentials
from bots.slack.sdk.installations import STATE_S, RedisInstallations, RedisStates
from shared.logs import get_logger

log = get_logger(__name__)

INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"
AUTHORIZE_PATH = "/oauth/v2/authorize"
SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "pins:read",
    "reactions:read",
    "reactions:write",
    "usergroups:read",
    "users:read",
)
"""Those of docs/slack-manifest.yaml."""
AWAY = "Parley cannot install anything right now. Please try again in a minute."


class InstallFlow:
    """Installs the app into workspaces."""

    def __init__(
        self, credentials: AppCredentials, installations: RedisInstallations, states: RedisStates
    ) -> None:
        # slack_bolt logs the code that it could not use.
        quiet = logging.getLogger("slack_bolt.oauth.quiet")
        quiet.setLevel(logging.CRITICAL)
        settings = AsyncOAuthSettings(
            client_id=credentials.client_id,
            client_secret=credentials.client_secret,
            scopes=SCOPES,
            authorization_url=str(URL(credentials.api_url).join(URL(AUTHORIZE_PATH))),
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            installation_store=installations,
            installation_store_bot_only=True,
            state_store=states,
            state_expiration_seconds=STATE_S,
            logger=quiet,
        )
        client = AsyncWebClient(
            base_url=credentials.api_url, timeout=CALL_TIMEOUT_S, retry_handlers=[]
        )
        self._flow = AsyncOAuthFlow(client=client, logger=quiet, settings=settings)

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """The page with the button."""
        try:
            answer = await self._flow.handle_installation(await to_bolt_request(request))
        except LEDGER_AWAY as error:
            return _away(error)
        return await to_aiohttp_response(answer)

    async def finish(self, request: web.Request) -> web.StreamResponse:
        """The page that Slack's page redirects back to."""
        try:
            answer = await self._flow.handle_callback(await to_bolt_request(request))
        except LEDGER_AWAY as error:
            return _away(error)
        return await to_aiohttp_response(answer)


def _away(error: Exception) -> web.Response:
    log.warning("installation_not_taken", error=type(error).__name__)
    return web.Response(status=503, text=AWAY)
