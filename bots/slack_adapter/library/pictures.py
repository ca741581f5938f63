"""Pictures that belong to answers: uploaded to Slack, and shown inside a message.

Slack works on an upload for a moment after it says that it is complete; a message that shows the
file too early is refused, and tried again.
"""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack_adapter.blocks import with_image
from bots.slack_adapter.library.faults import (
    HTTP_SERVER_ERROR,
    PASSING_ERRORS,
    RATE_ERRORS,
    fault_of,
)
from shared.logs import get_logger
from shared.replies import Picture

log = get_logger(__name__)

MAX_REMEMBERED = 64
PAUSES_S = (0.3, 0.7, 1.5, 3.0)
"""Between tries to show a file; some 5 s in all (github.com/slackapi/python-slack-sdk/issues/1658
has users who wait 2 to 5)."""
UPLOAD_S = 20
NOT_READY = "invalid_blocks"

Show = Callable[[Mapping[str, Any]], Awaitable[str]]
"""Posts or edits a message with these arguments; its id."""


class Pictures:
    """Uploads each answer's picture once in this process."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._files: OrderedDict[str, str] = OrderedDict()
        """Job -> Slack's id of its picture."""

    async def show(self, job_id: str, text: str, picture: Picture | None, show: Show) -> str:
        """Show a text with its picture; without it, and with a sentence, if Slack has none of it.

        Raises:
            SlackApiError, aiohttp.ClientError, TimeoutError: as the calls do.
        """
        if picture is None:
            return await show(with_image(text, None, None))
        file = await self._file(job_id, picture)
        for pause_s in PAUSES_S if file else ():
            try:
                return await show(with_image(text, file, picture))
            except SlackApiError as error:
                if fault_of(error)[0] != NOT_READY:
                    raise
            await asyncio.sleep(pause_s)
        if file:
            log.warning("picture_not_shown", job=job_id, reason=NOT_READY)
        return await show(with_image(text, None, picture))

    async def _file(self, job_id: str, picture: Picture) -> str | None:
        """The uploaded file; None if Slack will never have it."""
        if file := self._files.get(job_id):
            return file
        try:
            file = await self._upload(picture)
        except SlackApiError as error:
            name, status = fault_of(error)
            if not name or name in RATE_ERRORS or name in PASSING_ERRORS:
                raise
            log.warning("picture_not_shown", job=job_id, reason=name or str(status))
            return None
        except aiohttp.ClientResponseError as error:
            if error.status >= HTTP_SERVER_ERROR:
                raise
            log.warning("picture_not_shown", job=job_id, reason=str(error.status))
            return None
        self._files[job_id] = file
        if len(self._files) > MAX_REMEMBERED:
            self._files.popitem(last=False)
        return file

    async def _upload(self, picture: Picture) -> str:
        content = base64.b64decode(picture.content)
        place = await self._client.files_getUploadURLExternal(
            filename=picture.name, length=len(content), alt_txt=picture.description
        )
        timeout = aiohttp.ClientTimeout(total=UPLOAD_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.post(str(place["upload_url"]), data=content),
        ):
            pass
        file = str(place["file_id"])
        # No channel: the picture is shown by the message and nowhere else.
        await self._client.files_completeUploadExternal(files=[{"id": file, "title": picture.name}])
        return file
