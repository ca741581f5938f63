"""The Celery app, which only wakes workers: built by one function, for both sides.

A message carries a job's id and nothing else, as JSON. The ledger owns redelivery, so tasks are
acknowledged before they run. Each setting's reason is in docs/ledger.md.
"""

import urllib.parse
from typing import Any

import celery
import kombu

from shared.connections.address import RedisAddress, parse_address
from shared.connections.blocking import blocking_sentinel_options
from shared.jobs import CHAT_QUEUE, INDEX_QUEUE, TAG_QUEUE
from shared.ledger.lifecycle import Ready

SOCKET = {"socket_timeout": 5, "socket_connect_timeout": 2, "socket_keepalive": True}


def build_celery(redis_url: str) -> celery.Celery:
    """A Celery app on this Redis that does not become the default app."""
    address = parse_address(redis_url)
    app = celery.Celery("parley", broker=_broker_url(address), set_as_current=False)
    app.conf.update(
        # Without it kombu speaks TLS with anything, whatever its certificate says.
        broker_use_ssl=address.tls or None,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=CHAT_QUEUE,
        task_queues=[kombu.Queue(name) for name in (CHAT_QUEUE, TAG_QUEUE, INDEX_QUEUE)],
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_retry=True,
        broker_connection_max_retries=None,
        task_publish_retry=True,
        task_publish_retry_policy={
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.2,
        },
        broker_transport_options={
            "visibility_timeout": 60,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "health_check_interval": 10,
            **SOCKET,
            **_sentinel(address),
        },
    )
    return app


def _broker_url(address: RedisAddress) -> str:
    """The address as kombu reads it: without redis-py's options, which it takes elsewhere."""
    login = ":".join(
        urllib.parse.quote(str(address.options.get(part) or ""), safe="")
        for part in ("username", "password")
    )
    at = f"{login}@" if login != ":" else ""
    if not address.hosts:
        path = urllib.parse.quote(str(address.options["path"]))
        return f"redis+socket://{at}{path}?virtual_host={address.db}"
    scheme = "rediss" if address.is_tls else "redis"
    if address.service is not None:
        scheme = "sentinel"
    return ";".join(
        f"{scheme}://{at}{f'[{host}]' if ':' in host else host}:{port}/{address.db}"
        for host, port in address.hosts
    )


def _sentinel(address: RedisAddress) -> dict[str, Any]:
    if address.service is None:
        return {}
    own = blocking_sentinel_options(address, SOCKET)
    return {"master_name": address.service, "sentinel_kwargs": own}


def publish(app: celery.Celery, *readies: Ready) -> None:
    """Wake workers for jobs, in one step. Blocking: never call it on an event loop.

    Raises:
        kombu.exceptions.OperationalError: Redis is unreachable; the sweep will publish the jobs
        again.
    """
    with app.producer_or_acquire() as producer, producer.batch():
        for ready in readies:
            app.send_task(
                ready.kind.task_name, args=[ready.id], queue=ready.queue, producer=producer
            )
