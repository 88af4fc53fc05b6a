"""The function."""


def greet(greeting, name):
    """Greets whoever is named, or the world."""
    return f"{greeting}, {name.strip() or 'world'}!\n"
