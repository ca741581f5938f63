"""The Celery app, which only wakes workers: built by one function, for both sides.

A message carries a job's id and nothing else, as JSON. The ledger owns redelivery, so tasks are
acknowledged before they run. Each setting's reason is in docs/ledger.md.
"""

import celery
import kombu

from shared.jobs import CHAT_QUEUE, INDEX_QUEUE, TAG_QUEUE
from shared.ledger.lifecycle import Ready


def build_celery(redis_url: str) -> celery.Celery:
    """A Celery app on this Redis that does not become the default app."""
    app = celery.Celery("parley", broker=redis_url, set_as_current=False)
    app.conf.update(
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
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app


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
