"""Uploads pictures and long texts of answers to Slack, to be shown with a message.

Slack works on an upload for a moment after it reports it complete; a message that shows the file
too early is refused, and tried again.
"""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.delivery.surface import TextFile
from bots.slack.sdk.errors import HTTP_SERVER_ERROR, PASSING_ERRORS, RATE_ERRORS, fault_of
from bots.slack.views.components import with_image
from shared.logs import get_logger
from shared.replies import Picture

log = get_logger(__name__)

MAX_REMEMBERED = 64
PAUSES_S = (0.3, 0.7, 1.5, 3.0)
"""Between tries to show a file; some 5 s in all (github.com/slackapi/python-slack-sdk/issues/1658
has users who wait 2 to 5)."""
UPLOAD_S = 20
NOT_READY = "invalid_blocks"

NO_DOCUMENT = (
    "_I could not attach the file: Slack did not take it. "
    "Whoever runs me can look whether this app has the scope files:write._"
)

Show = Callable[[Mapping[str, Any]], Awaitable[str]]
"""Posts or edits a message with these arguments; its id."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file on Slack."""

    id: str
    address: str
    """Its address on Slack."""


class Pictures:
    """Uploads each answer's picture and document once in this process."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._files: OrderedDict[str, _File] = OrderedDict()
        """Job, or job and name -> its uploaded file."""

    async def show(self, job_id: str, text: str, picture: Picture | None, show: Show) -> str:
        """Show a text with its picture, or with a sentence if Slack does not accept the picture.

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

    async def link_to(self, job_id: str, document: TextFile) -> str:
        """A link to the uploaded file, which readers of the message may follow.

        A sentence in its place, if Slack does not accept it.

        Raises:
            SlackApiError, aiohttp.ClientError, TimeoutError: as the calls do.
        """
        content = document.text.encode()
        file = await self._taken(f"{job_id}/{document.name}", document.name, content)
        return f"<{file.address}|{document.name}>" if file else NO_DOCUMENT

    async def _file(self, job_id: str, picture: Picture) -> str | None:
        """Slack's id of the uploaded picture; None if Slack will never accept it."""
        content = base64.b64decode(picture.content)
        file = await self._taken(job_id, picture.name, content, alt_txt=picture.description)
        return file.id if file else None

    async def _taken(self, key: str, name: str, content: bytes, **more: str) -> _File | None:
        """The uploaded file; None if Slack will never accept it."""
        if file := self._files.get(key):
            return file
        try:
            file = await self._upload(name, content, **more)
        except SlackApiError as error:
            fault, status = fault_of(error)
            if not fault or fault in RATE_ERRORS or fault in PASSING_ERRORS:
                raise
            log.warning("picture_not_shown", job=key, reason=fault or str(status))
            return None
        except aiohttp.ClientResponseError as error:
            if error.status >= HTTP_SERVER_ERROR:
                raise
            log.warning("picture_not_shown", job=key, reason=str(error.status))
            return None
        self._files[key] = file
        if len(self._files) > MAX_REMEMBERED:
            self._files.popitem(last=False)
        return file

    async def _upload(self, name: str, content: bytes, **more: str) -> _File:
        """Upload a file without showing it yet."""
        place = await self._client.files_getUploadURLExternal(
            filename=name, length=len(content), **more
        )
        timeout = aiohttp.ClientTimeout(total=UPLOAD_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.post(str(place["upload_url"]), data=content),
        ):
            pass
        file = str(place["file_id"])
        # No channel: only the message shows the file.
        done = await self._client.files_completeUploadExternal(files=[{"id": file, "title": name}])
        return _File(file, str(done["files"][0].get("permalink", "")))
