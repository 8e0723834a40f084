"""Searches on tables of folds and a virtual clock, by the very same session and policies; nothing is trained."""

from mersearch.simulation.clock import Moment, Search, simulate
from mersearch.simulation.table import Bill, Recorded, Table
from mersearch.simulation.world import LAYOUTS, Layout, World

__all__ = ["LAYOUTS", "Bill", "Layout", "Moment", "Recorded", "Search", "Table", "World", "simulate"]
