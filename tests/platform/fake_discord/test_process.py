"""The fake Discord as a process of its own."""

import asyncio
import json
import sys

import aiohttp

from tests.fakes.discord_settings import Json


async def test_the_fake_runs_as_its_own_process_and_is_driven_over_http() -> None:
    command = [sys.executable, "-m", "tests.fakes.discord_server", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        ready: dict[str, str] = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        async with aiohttp.ClientSession() as session:

            async def control(action: str, **arguments: object) -> Json:
                url = f"{ready['control_url']}/{action}"
                async with session.post(url, json=arguments) as response:
                    assert response.status == 200, await response.text()
                    found: Json = await response.json()
                    return found

            user = await control("add_user", name="ada")
            guild = await control("add_guild")
            place = await control("add_channel", guild_id=guild["id"])
            said = await control("say", channel_id=place["id"], user_id=user["id"], content="hi")
            headers = {"Authorization": f"Bot {ready['token']}"}
            url = f"{ready['api_url']}/channels/{place['id']}/messages/{said['id']}"
            async with session.get(url, headers=headers) as response:
                assert (await response.json())["content"] == "hi"
                assert response.headers["Content-Type"] == "application/json"
                assert response.headers["X-RateLimit-Remaining"] == "4"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
