"""The error that a command shows to its user."""


class UserError(Exception):
    """Wrong input: shown as one line, exit code 2. Say the field, the value and what is allowed."""
