"""Generated machines in the build systems of others; nothing here is imported by the generator."""
