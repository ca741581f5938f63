"""Who the bot is on the fake Slack, and what its tokens and scopes let it do."""

from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import error_of


async def test_auth_test_tells_who_the_bot_is(slack: FakeSlack, client: AsyncWebClient) -> None:
    answer = await client.auth_test()

    assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == (
        "U0PARLEY",
        "B0PARLEY",
        "T0FAKE",
    )
    assert "chat:write" in answer.headers["x-oauth-scopes"]
    assert slack.calls("auth.test")[0].token == slack.bot_token


async def test_tokens_are_checked_by_kind(slack: FakeSlack, client: AsyncWebClient) -> None:
    assert await error_of(client.auth_test(token="xoxb-other")) == "invalid_auth"
    assert await error_of(client.auth_test(token=slack.app_token)) == "not_allowed_token_type"
    wrong_kind = client.apps_connections_open(app_token=slack.bot_token)
    assert await error_of(wrong_kind) == "not_allowed_token_type"
    nobody = AsyncWebClient(base_url=slack.api_url)
    assert await error_of(nobody.auth_test()) == "not_authed"
    assert await error_of(client.api_call("no.such")) == "unknown_method"


async def test_a_method_without_its_scope_is_refused(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    slack.scopes = slack.scopes - {"files:write", "users:read"}

    upload = client.files_getUploadURLExternal(filename="a.png", length=3)
    assert await error_of(upload) == "missing_scope"
    assert await error_of(client.users_info(user="U1")) == "missing_scope"
    posted = await client.chat_postMessage(channel="C1", text="still allowed")
    assert "users:read" not in posted.headers["x-oauth-scopes"].split(",")
