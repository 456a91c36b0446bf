"""Goal: a store gives back what it was given, in order, in both directions. Method: the database in
memory."""

import unittest

import sop_stand_in

from sop_guest import (
    Exists,
    KeyRange,
    NotFound,
    Store,
    Transaction,
    errors,
    keys,
    transact,
    values,
)


class Stores(unittest.TestCase):
    def setUp(self) -> None:
        sop_stand_in.reset()
        self.transaction = Transaction.begin()

    def numbers(self) -> Store[int, str]:
        """A store of many items."""
        store: Store[int, str] = self.transaction.store("numbers", keys.i32, values.text)
        store.put_many((number, str(number)) for number in range(-3000, 3000))
        return store

    def test_it_reads_like_a_dictionary(self) -> None:
        store = self.transaction.store("s", keys.text, values.u64)
        store["b"] = 2
        store["a"] = 1
        self.assertEqual((store["a"], store.get("c"), store.get("c", 7)), (1, None, 7))
        self.assertEqual(("a" in store, "c" in store), (True, False))
        self.assertEqual(
            (list(store), list(reversed(store)), list(store.values())), (["a", "b"], ["b", "a"], [1, 2])
        )
        self.assertEqual(dict(store.items()), {"a": 1, "b": 2})
        del store["a"]
        for absent in (lambda: store["a"], lambda: store.__delitem__("a")):
            with self.assertRaises(KeyError) as raised:
                absent()
            self.assertIsInstance(raised.exception, NotFound)
            self.assertEqual(str(raised.exception), "not found: an item of the key 'a'")

    def test_to_look_at_it_is_not_to_read_its_count(self) -> None:
        store = self.numbers()
        self.assertTrue(store)
        self.assertFalse(hasattr(store, "__len__"))
        self.assertEqual(store.count(), 6000)

    def test_insert_update_and_remove_say_what_was_there(self) -> None:
        store = self.transaction.store("s")
        store.insert(b"a", b"1")
        with self.assertRaises(Exists):
            store.insert(b"a", b"2")
        store.update(b"a", b"3")
        with self.assertRaises(NotFound):
            store.update(b"b", b"3")
        self.assertEqual((store.remove(b"a"), store.remove(b"a"), store.first()), (True, False, None))
        with self.assertRaises(errors.Invalid):
            store.put(b"", b"x")

    def test_iterations_give_every_item_in_order_in_both_directions(self) -> None:
        store = self.numbers()
        self.assertEqual(list(store), list(range(-3000, 3000)))
        self.assertEqual(list(store.keys(store.between(-7, 2000, upper_included=True), reverse=True)),
                         list(range(2000, -8, -1)))  # fmt: skip
        self.assertEqual(list(store.values(store.between(upper=-2998))), ["-3000", "-2999"])
        self.assertEqual(store.scan(store.between(5), 2), [(5, "5"), (6, "6")])
        self.assertEqual((store.first(), store.last()), ((-3000, "-3000"), (2999, "2999")))
        found = store.get_many(range(-5000, 5000))
        self.assertEqual(
            (found[1999], found[2000], found[-2001], found[-2000]), (None, "-3000", "2999", None)
        )
        self.assertEqual(store.remove_range(store.between(0)), 3000)

    def test_an_iteration_that_stops_early_releases_its_cursor(self) -> None:
        store = self.numbers()
        before = sop_stand_in.Cursor.open_count
        for key in store:
            if key == -2500:
                self.assertEqual(sop_stand_in.Cursor.open_count, before + 1)
                break
        self.assertEqual(sop_stand_in.Cursor.open_count, before)

    def test_tuples_and_texts_have_their_ranges(self) -> None:
        store = self.transaction.store("index", keys.tuple_of(keys.text, keys.u64), values.u32)
        for key in [("tree", 7), ("tree", 300), ("trees", 1), ("tre", 2), ("tree\0", 5)]:
            store[key] = 1
        self.assertEqual(list(store.keys(store.under("tree"))), [("tree", 7), ("tree", 300)])
        self.assertEqual(list(store.keys(store.under("tree", 7))), [("tree", 7)])
        beginning = [term for term, _ in store.keys(store.beginning(("tree",)))]
        self.assertEqual(beginning, ["tree", "tree", "tree\0", "trees"])
        self.assertEqual(len(list(store.keys(store.under()))), 5)

    def test_a_prefix_range_ends_where_it_has_to(self) -> None:
        self.assertEqual(KeyRange.prefix(b"\xff\xff"), KeyRange(b"\xff\xff", None))
        self.assertEqual(KeyRange.prefix(b"\x07\xff"), KeyRange(b"\x07\xff", b"\x08"))
        self.assertEqual(KeyRange.prefix(b""), KeyRange())

    def test_a_store_read_with_other_forms_is_an_error_not_a_wrong_value(self) -> None:
        self.transaction.store("s", keys.u64, values.tuple_of(values.u32, values.u32))[7] = (1, 2)
        with self.assertRaises(errors.ValueMismatch):
            self.transaction.store("s", keys.u64, values.u32).get(7)
        with self.assertRaises(errors.KeyMismatch):
            self.transaction.store("s", keys.u32).first()

    def test_items_read_meanwhile_changed_are_a_conflict(self) -> None:
        transact(lambda transaction: transaction.store("s").put(b"a", b"1"))
        with Transaction.begin() as reader:
            store = reader.store("s")
            self.assertEqual(list(store), [b"a"])
            transact(lambda transaction: transaction.store("s").put(b"b", b"2"))
            store[b"c"] = b"3"
            with self.assertRaises(errors.Conflict):
                reader.commit()
