"""What ``parley doctor`` finds out about names on access lists, from the fake platforms."""

from bots.discord.sdk.client import DiscordAccess
from bots.doctor_access import check_discord, check_slack
from bots.slack.sdk.client import SlackAccess
from shared.access import AccessLists, parse_names
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.slack_server import FakeSlack


def lists(allowed: str) -> AccessLists:
    return AccessLists(parse_names(allowed))


async def test_names_that_slack_does_not_know_are_said() -> None:
    async with FakeSlack() as slack:
        slack.add_channel("C1", "here", members=[slack.bot_user_id])
        slack.add_user("U1", "alice")
        slack.add_usergroup("S1", ["U1"])
        access, team = SlackAccess(slack.bot_token, slack.api_url), slack.team_id
        known = f"slack:{team}, slack:{team}/C1, slack:{team}/U1, slack:{team}/S1, slack:*/guests"

        assert await check_slack(access, team, lists(known)) == []
        checks = await check_slack(
            access, team, lists(f"{known}, slack:{team}/C9, slack:{team}/U9, slack:{team}/S9")
        )
        foreign = await check_slack(access, team, lists("slack:T9/C1, slack:T9/U1, slack:T9"))
        slack.scopes -= {"usergroups:read"}
        (unscoped,) = await check_slack(access, team, lists(f"slack:{team}/S1"))

    assert [check.finding.partition(":")[0] for check in checks] == ["slack"] * 3
    assert [str(check.finding).rpartition("(")[2] for check in checks] == [
        "channel_not_found)",
        "no_such_subteam)",
        "user_not_found)",
    ]
    assert [check.finding for check in foreign] == [
        f"slack:T9/C1 is of another workspace than the token's, {team}"
    ]
    assert "missing_scope" in unscoped.finding


async def test_names_that_discord_does_not_know_are_said() -> None:
    async with FakeDiscord() as discord:
        guild = discord.add_guild("team")
        role, channel = discord.add_role(guild, "asks"), discord.add_channel(guild, "here")
        foreign = discord.add_guild("foreign", is_foreign=True)
        access = DiscordAccess(discord.token, discord.api_url)
        known = (
            f"discord:{guild.id}/role:{role.id}, discord:{guild.id}/channel:{channel.id},"
            f"discord:{guild.id}/user:5, discord:*/user:5, discord:{guild.id}"
        )

        assert await check_discord(access, lists(known)) == []
        checks = await check_discord(
            access, lists(f"{known}, discord:{guild.id}/role:77, discord:{foreign.id}, discord:9")
        )

    assert sorted(check.finding for check in checks) == sorted(
        [
            f"discord:{guild.id}/role:77: there is none in that server",
            f"discord:{foreign.id}: the bot is not in server {foreign.id}",
            "discord:9: the bot is not in server 9",
        ]
    )
