"""``python -m twuin`` is the ``twuin`` command."""

from twuin.cli import main

main()
