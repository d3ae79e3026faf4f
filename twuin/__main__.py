"""The ``twuin`` command, also as ``python -m twuin``."""

import sys


def main() -> None:
    """Run the command. Ctrl-C ends it without a traceback while its parts are still being loaded, too."""
    try:
        from twuin.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
