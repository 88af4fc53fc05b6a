"""Tests of the function: python3 -m unittest"""

import unittest

import hello


class Greet(unittest.TestCase):
    """Whom it greets."""

    def test_whoever_is_named_is_greeted_and_else_the_world(self):
        """A name is trimmed; none is the world."""
        self.assertEqual(hello.greet("Hello", " Ada\n"), "Hello, Ada!\n")
        self.assertEqual(hello.greet("Hej", ""), "Hej, world!\n")


if __name__ == "__main__":
    unittest.main()
