"""What starts Ray elsewhere: the shipped files, filled in for a place, and checked without one."""
