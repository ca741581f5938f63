"""Downloads of shared files, from Slack's own hosts only.

The bot's token is sent along, so no other address is requested.
"""

import base64
from http import HTTPStatus

import aiohttp
from yarl import URL

from bots.incoming.attachments import Bounds, Offered, fetched, not_fetched, refusal_of
from bots.slack.parse.payloads import HTML, SharedFile
from shared.errors import FileTooLargeError, FileUnavailableError
from shared.jobs import Attachment
from shared.logs import get_logger
from shared.tasks import Learn

log = get_logger(__name__)

MB = 1_000_000
DOWNLOAD_S = 30
CHUNK_BYTES = 64 * 1024
HOSTS = (".slack.com", ".slack-files.com")
"""docs.slack.dev/reference/objects/file-object."""


def is_slacks(url: str, api_url: str) -> bool:
    """Whether an address is Slack's own: the Web API's host, or one of its hosts for files."""
    try:
        where, api = URL(url), URL(api_url)
    except ValueError:
        return False
    if where.origin() == api.origin() if where.is_absolute() else False:
        return True
    host = f".{where.host or ''}"
    return where.scheme == "https" and host.endswith(HOSTS)


class Downloads:
    """Fetches files with the bot's token."""

    def __init__(self, token: str, api_url: str, bounds: Bounds) -> None:
        self._token = token
        self._api_url = api_url
        self._bounds = bounds
        self._max_mb = bounds.max_mb

    async def lesson(self, file: SharedFile, link: str) -> Learn:
        """A file as a document to be learned.

        Raises:
            FileTooLargeError: it is too large.
            FileUnavailableError: Slack does not hand it out, or does not keep it.
        """
        content = await self._content(file)
        return Learn(file.name, base64.b64encode(content).decode(), link)

    async def attachment(self, file: SharedFile) -> Attachment:
        """A file as a part of a question, or with a sentence why it is not one."""
        offered = Offered(file.name, file.media_type, file.num_bytes)
        if refused := refusal_of(offered, self._bounds):
            return refused
        try:
            return fetched(file.name, await self._content(file))
        except (FileTooLargeError, FileUnavailableError):
            return not_fetched(file.name)

    async def _content(self, file: SharedFile) -> bytes:
        if file.num_bytes > self._max_mb * MB:
            raise FileTooLargeError(file.name, file.num_bytes / MB, self._max_mb)
        if not is_slacks(file.url, self._api_url):
            raise FileUnavailableError(file.name)
        try:
            return await self._fetch(file)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("file_not_fetched", error=type(error).__name__)
            raise FileUnavailableError(file.name) from error

    async def _fetch(self, file: SharedFile) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"}
        timeout = aiohttp.ClientTimeout(total=DOWNLOAD_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            # A redirect would take the token along.
            session.get(file.url, headers=headers, allow_redirects=False) as answer,
        ):
            # Without the right to read a file the response is a sign-in page, with status 200.
            is_sign_in = answer.content_type == HTML and not file.is_html
            if answer.status != HTTPStatus.OK or is_sign_in:
                log.warning("file_not_fetched", error=str(answer.status))
                raise FileUnavailableError(file.name)
            content = bytearray()
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                content += chunk
                if len(content) > self._max_mb * MB:
                    raise FileTooLargeError(file.name, len(content) / MB, self._max_mb)
            return bytes(content)
