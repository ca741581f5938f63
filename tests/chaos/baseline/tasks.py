"""The Celery side: one task that writes an answer with the model and posts it.

Late acknowledgement, one task at a time, a visibility timeout of twice the time limit that is
looked at each second, and a retry of whatever fails.
"""

import asyncio
import os
from functools import lru_cache
from typing import Any

import celery
import discord
import torch
from slack_sdk import WebClient
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.chaos.systems import NUM_LETTERS, SYSTEM_PROMPT

TIME_LIMIT_S = 10

app = celery.Celery("baseline", broker=os.environ["BASELINE_REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_time_limit=TIME_LIMIT_S,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 2 * TIME_LIMIT_S,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
)


@app.task(autoretry_for=(Exception,), retry_backoff=True, max_retries=5)
def answer_slack(text: str, channel: str, thread_ts: str | None) -> None:
    """Answer a message on Slack."""
    client = WebClient(os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["BASELINE_SLACK_URL"])
    client.chat_postMessage(channel=channel, thread_ts=thread_ts, text=write(text))


@app.task(autoretry_for=(Exception,), retry_backoff=True, max_retries=5)
def answer_discord(text: str, channel: int, message: int) -> None:
    """Answer a message on Discord."""
    asyncio.run(_post_on_discord(write(text), channel, message))


async def _post_on_discord(text: str, channel: int, message: int) -> None:
    discord.http.Route.BASE = os.environ["BASELINE_DISCORD_URL"]
    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(os.environ["DISCORD_TOKEN"])
        place = client.get_partial_messageable(channel)
        await place.send(text, reference=place.get_partial_message(message))


def write(text: str) -> str:
    """The model's answer."""
    model, tokenizer = load()
    messages = [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": text}]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer.encode(prompt, add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        written = model.generate(ids, max_new_tokens=NUM_LETTERS, do_sample=False)
    return str(tokenizer.decode(written[0][ids.shape[1] :]))


@lru_cache
def load() -> tuple[Any, Any]:
    """Model and tokenizer."""
    torch.set_num_threads(1)
    folder = os.environ["BASELINE_MODEL"]
    return LlamaForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
