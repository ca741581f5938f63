"""The entry point of ``parley``: only what lets Ctrl-C end the imports quietly."""

import signal


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from shared.cli import app  # noqa: PLC0415 - a second of import, which may be interrupted

    signal.signal(signal.SIGINT, signal.default_int_handler)
    app.main()


if __name__ == "__main__":
    main()
