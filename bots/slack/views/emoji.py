"""Slack's names for the emoji that a message is marked with. Pure."""
# Pure.

VARIATION_SELECTOR = "\ufe0f"
NAMES = {
    "👍": "thumbsup",
    "👎": "thumbsdown",
    "❤": "heart",
    "🎉": "tada",
    "✅": "white_check_mark",
    "❗": "exclamation",
    "❓": "question",
    "☀": "sunny",
    "🌧": "rain_cloud",
    "⛈": "thunder_cloud_and_rain",
    "🟢": "large_green_circle",
    "🔴": "large_red_circle",
    "🙂": "slightly_smiling_face",
    "😀": "grinning",
    "😃": "smiley",
    "😄": "smile",
    "😊": "blush",
    "😐": "neutral_face",
    "🙁": "slightly_frowning_face",
    "☹": "white_frowning_face",
    "😞": "disappointed",
    "😟": "worried",
    "😠": "angry",
    "😢": "cry",
    "📈": "chart_with_upwards_trend",
    "📉": "chart_with_downwards_trend",
}
"""Short names of github.com/iamcal/emoji-data, which Slack uses."""


def name_of_emoji(emoji: str) -> str:
    """Slack's name of an emoji; what is a name already stays one."""
    bare = emoji.replace(VARIATION_SELECTOR, "")
    return NAMES.get(bare, bare.strip(":"))
