"""Goal: values are postcard, byte for byte. Method: bytes from its specification, and ways back and forth."""

import unittest

from sop_guest import values
from sop_guest.errors import Invalid, ValueMismatch


class Values(unittest.TestCase):
    def test_the_forms_are_those_of_postcard(self) -> None:
        movement = values.tuple_of(values.text, values.i64)
        examples = [
            (values.u64, 0, "00"), (values.u64, 127, "7f"), (values.u64, 128, "8001"),
            (values.u64, 300, "ac02"), (values.u64, (1 << 64) - 1, "ffffffffffffffffff01"),
            (values.u16, 65535, "ffff03"), (values.i64, 0, "00"), (values.i64, -1, "01"),
            (values.i64, 1, "02"), (values.i64, -128, "ff01"), (values.i64, -1 << 63, "ffffffffffffffffff01"),
            (values.i64, (1 << 63) - 1, "feffffffffffffffff01"), (values.u8, 200, "c8"),
            (values.i8, -2, "fe"), (values.boolean, True, "01"), (values.f64, 1.0, "000000000000f03f"),
            (values.text, "aé", "0361c3a9"), (values.binary, b"\0\1", "020001"),
            (values.optional(values.u64), None, "00"), (values.optional(values.u64), 5, "0105"),
            (values.list_of(values.u64), [1, 300], "0201ac02"), (movement, ("bolt", -3), "04626f6c7405"),
            (values.json, {"a": [1, "é"]}, '{"a":[1,"é"]}'.encode().hex()), (values.raw, b"\xff", "ff"),
        ]  # fmt: skip
        for form, value, digits in examples:
            with self.subTest(value=value):
                self.assertEqual(form.encode(value).hex(), digits)
                self.assertEqual(form.decode(bytes.fromhex(digits)), value)

    def test_other_bytes_are_an_error_not_a_wrong_value(self) -> None:
        wrong = [
            (values.u64, ""), (values.u64, "80"), (values.u64, "0000"), (values.u64, "ffffffffffffffffff02"),
            (values.u64, "ffffffffffffffffffff01"), (values.u16, "ffff04"), (values.text, "0261"),
            (values.text, "01ff"), (values.boolean, "02"), (values.tuple_of(values.u64, values.u64), "01"),
            (values.json, "7b"), (values.list_of(values.tuple_of()), "ffffffff0f"),
            (values.list_of(values.u64), "ffffffff0f"),
        ]  # fmt: skip
        for form, digits in wrong:
            with self.subTest(digits), self.assertRaises(ValueMismatch):
                form.decode(bytes.fromhex(digits))

    def test_what_is_no_value_of_a_form_does_not_encode(self) -> None:
        wrong = [
            (values.u64, -1),
            (values.u16, 1 << 16),
            (values.i64, 1 << 63),
            (values.text, 5),
            (values.u8, 256),
        ]
        for form, value in wrong:
            with self.subTest(value=value), self.assertRaises(Invalid):
                form.encode(value)
