"""``python -m tailwise`` is the ``tailwise`` command."""

from tailwise.cli import main

main()
