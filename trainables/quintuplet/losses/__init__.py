"""The losses of the joint stage, one per file."""
