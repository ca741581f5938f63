"""Events of the fake Slack over HTTP: signatures and what comes again."""

import time

from aiohttp import web

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import MENTION
from tests.platform.fake_slack.listening import Listener, by_http


async def test_signed_events_pass_bolts_verification(slack: FakeSlack) -> None:
    async with by_http(Listener(slack)) as listener:
        assert await slack.challenge()
        await slack.say("C1", "U1", MENTION)
        await slack.wait_for(lambda: [d.state for d in slack.deliveries] == ["acked"] * 2)
    assert listener.types() == ["app_mention", "message"]


async def test_badly_signed_requests_are_refused(slack: FakeSlack) -> None:
    async with by_http(Listener(slack)) as listener:
        body = slack.envelope({"type": "app_mention", "user": "U1", "channel": "C1"})
        old = str(int(time.time()) - 301)
        answers = [
            await slack.send_raw(body, signature="v0=00"),
            await slack.send_raw(body, timestamp=old),
            await slack.send_raw(body, without=["X-Slack-Signature"]),
            await slack.send_raw(body),
        ]
    assert [a.status for a in answers] == [401, 401, 401, 200]
    assert len(listener.heard) == 1


async def test_a_failed_http_event_comes_again_and_says_so(slack: FakeSlack) -> None:
    headers: list[tuple[str | None, str | None]] = []

    async def fail_once(request: web.Request) -> web.Response:
        names = ("X-Slack-Retry-Num", "X-Slack-Retry-Reason")
        headers.append((request.headers.get(names[0]), request.headers.get(names[1])))
        return web.Response(status=500 if len(headers) == 1 else 200)

    app = web.Application()
    app.router.add_post("/", fail_once)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await slack.say("C1", "U1", "hi")
    await slack.wait_for(lambda: slack.deliveries[0].state == "acked")
    await runner.cleanup()
    await slack.say("C1", "U1", "hi again")
    await slack.wait_for(lambda: slack.deliveries[1].state == "failed")

    assert headers == [(None, None), ("1", "http_error")]
    assert {a.outcome for a in slack.deliveries[1].attempts} == {"connection_failed"}
