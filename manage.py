#!/usr/bin/env python
"""Django's command line for the portal; `./manage.py help` lists the commands."""

import os
import sys

NEEDS_NO_DATABASE = {
    "browserfiles",
    "catalogue",
    "compilemessages",
    "help",
    "makemessages",
    "makemigrations",
    "sandbox",
    "--version",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line

    if not NEEDS_NO_DATABASE.intersection(sys.argv[1:2]):
        from portal import postgres

        postgres.ensure_running()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
