"""The errors of Discord's HTTP API as one exception with named constructors.

Texts and numbers follow Opcodes and Status Codes (JSON Error Codes); the shape of a form error
follows Reference (Error Messages). Handlers raise these, the HTTP layer writes them down.
"""

from tests.fakes.discord_settings import Json

UNKNOWN_CHANNEL = 10003
UNKNOWN_MEMBER = 10007
UNKNOWN_MESSAGE = 10008
UNKNOWN_USER = 10013
UNKNOWN_EMOJI = 10014
UNKNOWN_WEBHOOK = 10015
UNKNOWN_INTERACTION = 10062
UNKNOWN_COMMAND = 10063
TOO_MANY_REACTIONS = 30010
REQUEST_TOO_LARGE = 40005
ALREADY_ACKNOWLEDGED = 40060
MISSING_ACCESS = 50001
CANNOT_ACT_ON_DM = 50003
CANNOT_EDIT_OTHERS = 50005
CANNOT_SEND_TO_USER = 50007
EMPTY_MESSAGE = 50006
MISSING_PERMISSIONS = 50013
WRONG_CHANNEL_TYPE = 50024
INVALID_WEBHOOK_TOKEN = 50027
INVALID_FORM = 50035
INVALID_JSON = 50109
THREAD_EXISTS = 160004

MESSAGES = {
    0: "",
    UNKNOWN_CHANNEL: "Unknown Channel",
    UNKNOWN_MEMBER: "Unknown Member",
    UNKNOWN_MESSAGE: "Unknown Message",
    UNKNOWN_USER: "Unknown User",
    UNKNOWN_EMOJI: "Unknown Emoji",
    UNKNOWN_WEBHOOK: "Unknown Webhook",
    UNKNOWN_INTERACTION: "Unknown interaction",
    UNKNOWN_COMMAND: "Unknown application command",
    TOO_MANY_REACTIONS: "Maximum number of reactions reached (20)",
    REQUEST_TOO_LARGE: "Request entity too large",
    ALREADY_ACKNOWLEDGED: "Interaction has already been acknowledged.",
    MISSING_ACCESS: "Missing Access",
    CANNOT_ACT_ON_DM: "Cannot execute action on a DM channel",
    CANNOT_SEND_TO_USER: "Cannot send messages to this user",
    CANNOT_EDIT_OTHERS: "Cannot edit a message authored by another user",
    EMPTY_MESSAGE: "Cannot send an empty message",
    MISSING_PERMISSIONS: "Missing Permissions",
    WRONG_CHANNEL_TYPE: "Cannot execute action on this channel type",
    INVALID_WEBHOOK_TOKEN: "Invalid Webhook Token",
    INVALID_FORM: "Invalid Form Body",
    INVALID_JSON: "The request body contains invalid JSON.",
    THREAD_EXISTS: "A thread has already been created for this message",
}


class ApiError(Exception):
    """An answer of Discord that is not a success: status, JSON body, extra headers."""

    def __init__(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


def api_error(status: int, code: int) -> ApiError:
    """Return the error with this HTTP status and JSON error code."""
    text = MESSAGES.get(code) or f"{status}: Error"
    return ApiError(status, {"message": text, "code": code})


def unauthorized() -> ApiError:
    """Return the answer to a missing or wrong `Authorization` header."""
    return ApiError(401, {"message": "401: Unauthorized", "code": 0})


def not_found(code: int) -> ApiError:
    """Return a 404 with this code."""
    return api_error(404, code)


def form_error(path: str, code: str, text: str) -> ApiError:
    """Return 400 with code 50035 and an `errors` tree.

    `path` is dotted (`embeds.0.description`); `code` and `text` are the leaf's.
    """
    tree: Json = {"_errors": [{"code": code, "message": text}]}
    for part in reversed(path.split(".")):
        tree = {part: tree}
    body = {"message": MESSAGES[INVALID_FORM], "code": INVALID_FORM, "errors": tree}
    return ApiError(400, body)


def too_long(path: str, limit: int) -> ApiError:
    """Return the form error of a text or list longer than `limit`."""
    return form_error(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def required(path: str) -> ApiError:
    """Return the form error of a missing field."""
    return form_error(path, "BASE_TYPE_REQUIRED", "This field is required")


def read_number(path: str, given: object) -> int:
    """Return an id or a count that came as text or number.

    Raises:
        ApiError: it is neither.
    """
    text = str(given)
    if not text.isdecimal():
        raise form_error(path, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
    return int(text)
