"""Stands in for the bindings of `sop:engine/transactions`, on the database of `sop_stand_in`."""

from sop_stand_in import Cursor, Store, Transaction, outcome

__all__ = ["Cursor", "Store", "Transaction", "outcome"]
