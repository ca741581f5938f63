"""Files of the fake Slack: uploaded by the app in three steps, or shared by a person.

A file's bytes lie on a host of their own, as with Slack: whoever asks for them without a token that
may read files gets a sign-in page and status 200.
"""

import mimetypes
from dataclasses import dataclass

from aiohttp import web

from tests.fakes.slack_calls import ApiError, Call
from tests.fakes.slack_settings import Json
from tests.fakes.slack_store import File, Store

SIGN_IN_PAGE = "<!DOCTYPE html><html><title>Sign in to Slack</title></html>"


def get_upload_url(store: Store, call: Call) -> Json:
    """files.getUploadURLExternal: where to send the bytes of a file that nobody sees yet."""
    name = call.need("filename")
    size = call.text("length")
    if not size.isdecimal() or int(size) == 0:
        raise ApiError("invalid_arguments")
    file = File(
        id=store.next_id("F"),
        name=name,
        user=store.settings.bot_user_id,
        size=int(size),
        alt_text=call.text("alt_txt"),
    )
    store.files[file.id] = file
    return {"upload_url": f"{store.base_url()}upload/v1/{file.id}", "file_id": file.id}


def complete_upload(store: Store, call: Call) -> Json:
    """files.completeUploadExternal, without a channel: the file can be shown in a message then."""
    if call.has("channel_id") or call.has("channels"):
        raise ApiError("fake_shares_no_uploads")
    named = call.structures("files", "invalid_arguments")
    if not named:
        raise ApiError("invalid_arguments")
    completed = []
    for entry in named:
        file = store.files.get(str(entry.get("id")))
        if file is None or file.content is None:
            raise ApiError("file_not_found")
        file.title = str(entry.get("title") or file.name)
        file.is_complete = True
        completed.append(file_json(store, file))
    return {"files": completed}


def files_info(store: Store, call: Call) -> Json:
    """files.info."""
    file = store.files.get(call.text("file"))
    if file is None or not file.is_complete:
        raise ApiError("file_not_found")
    return {"file": file_json(store, file)}


def file_json(store: Store, file: File) -> Json:
    """A file as messages and methods show it."""
    address = f"{store.base_url()}files-pri/{store.settings.team_id}-{file.id}"
    ending = file.name.rpartition(".")[2].lower()
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "filetype": ending,
        "mimetype": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
        "mode": "hosted",
        "is_external": False,
        "user": file.user,
        "size": file.size,
        "url_private": f"{address}/{file.name}",
        "url_private_download": f"{address}/download/{file.name}",
        "permalink": f"https://{store.settings.team_domain}.slack.com/files/{file.user}/{file.id}",
    }


def check_slack_file(store: Store, block: Json, place: int) -> None:
    """Refuse an image block whose file is not there, or not ready yet.

    The wording is that of github.com/slackapi/python-slack-sdk/issues/1658.
    """
    named = block.get("slack_file")
    if not block.get("alt_text") or not (named or block.get("image_url")):
        raise ApiError("invalid_blocks")
    if not isinstance(named, dict):
        return
    file = store.files.get(str(named.get("id")))
    is_shown = file is not None and file.is_complete
    if is_shown and store.settings.num_file_refusals > 0:
        store.settings.num_file_refusals -= 1
        is_shown = False
    if not is_shown:
        why = f"invalid slack file [json-pointer:/blocks/{place}/slack_file]"
        raise ApiError(
            "invalid_blocks", errors=[why], response_metadata={"messages": [f"[ERROR] {why}"]}
        )


@dataclass(frozen=True, slots=True)
class FileHost:
    """Takes and gives the bytes of files."""

    store: Store

    def add_routes(self, app: web.Application) -> None:
        """Add the addresses that `upload_url` and `url_private` name."""
        app.router.add_post("/upload/v1/{file}", self.take)
        app.router.add_get("/files-pri/{named}/{rest:.*}", self.give)

    async def take(self, request: web.Request) -> web.Response:
        """Take an upload, once, and of the length that was announced."""
        file = self.store.files.get(request.match_info["file"])
        content = await request.read()
        if file is None or file.content is not None or len(content) != file.size:
            return web.Response(status=400, text="bad upload")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def give(self, request: web.Request) -> web.Response:
        """Give a file to who may read it."""
        settings = self.store.settings
        self.store.file_requests.append(dict(request.headers))
        is_known = request.headers.get("Authorization") == f"Bearer {settings.bot_token}"
        if not is_known or "files:read" not in settings.scopes:
            return web.Response(text=SIGN_IN_PAGE, content_type="text/html")
        file = self.store.files.get(request.match_info["named"].rpartition("-")[2])
        if file is None or file.content is None:
            return web.Response(status=404)
        kind = "text/html" if file.name.endswith(".html") else "application/octet-stream"
        return web.Response(body=file.content, content_type=kind)
