"""For the tests of an algorithm."""
