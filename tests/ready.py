"""Django set up for a script that runs outside pytest: import it first."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
