"""The PE array: slots, lines."""
