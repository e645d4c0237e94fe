"""What `manage.py usage` does, one module per action: NAME, HELP, add_arguments(parser) and run(task)."""
