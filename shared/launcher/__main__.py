"""Where ``parley`` begins: nothing here but what lets Ctrl-C end the start of it quietly."""

import signal


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from shared.launcher import cli  # noqa: PLC0415 - a second of import, which may be interrupted

    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


if __name__ == "__main__":
    main()
