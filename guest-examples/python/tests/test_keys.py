"""Goal: this codec and those of other languages agree byte for byte. Method: the shared vectors, encoded and
decoded."""

import json
import struct
import unittest
from pathlib import Path
from typing import Any, Callable

from sop_guest import keys
from sop_guest.errors import Invalid, KeyMismatch

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "key-vectors.json").read_text("utf-8"))

Read = Callable[[Any], Any]


def plain(value: Any) -> Any:
    """What JSON says as it is."""
    return value


def bits(value: str) -> float:
    """A float by its bits."""
    return struct.unpack(">d", bytes.fromhex(value))[0]


def each(*reads: Read) -> Read:
    """A tuple of such values."""
    return lambda value: tuple(read(element) for read, element in zip(reads, value, strict=True))


def perhaps(read: Read) -> Read:
    """None or one such value, from a list of none or one."""
    return lambda value: read(value[0]) if value else None


NUMBERS = ("u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128")
FORMS: dict[str, tuple[keys.Form[Any], Read]] = {
    **{name: (getattr(keys, name), int) for name in NUMBERS},
    "bool": (keys.boolean, plain),
    "char": (keys.character, plain),
    "f64": (keys.f64, bits),
    "string": (keys.text, plain),
    "bytes": (keys.binary, bytes.fromhex),
    "option<u8>": (keys.optional(keys.u8), perhaps(int)),
    "option<string>": (keys.optional(keys.text), perhaps(plain)),
    "[u16; 2]": (keys.array_of(keys.u16, 2), each(int, int)),
    "(string, u64)": (keys.tuple_of(keys.text, keys.u64), each(plain, int)),
    "(bytes, u8)": (keys.tuple_of(keys.binary, keys.u8), each(bytes.fromhex, int)),
    "(u16, string, i32)": (keys.tuple_of(keys.u16, keys.text, keys.i32), each(int, plain, int)),
}


class Keys(unittest.TestCase):
    def test_every_vector_encodes_to_its_bytes_and_back(self) -> None:
        self.assertGreaterEqual(len(VECTORS["groups"]), 20)
        for group in VECTORS["groups"]:
            form, read = FORMS[group["type"]]
            encoded = [form.encode(read(vector["value"])) for vector in group["ascending"]]
            self.assertEqual([key.hex() for key in encoded], [vector["hex"] for vector in group["ascending"]])
            self.assertEqual(encoded, sorted(set(encoded)), group["type"])
            for key in encoded:
                self.assertEqual(form.encode(form.decode(key)), key)

    def test_no_invalid_vector_decodes(self) -> None:
        self.assertGreaterEqual(len(VECTORS["invalid"]), 20)
        for vector in VECTORS["invalid"]:
            with self.subTest(vector), self.assertRaises(KeyMismatch):
                FORMS[vector["type"]][0].decode(bytes.fromhex(vector["hex"]))

    def test_what_is_no_value_of_a_form_does_not_encode(self) -> None:
        wrong = [
            (keys.u8, 256), (keys.u64, -1), (keys.i8, 128), (keys.u32, "7"), (keys.u32, 1.5),
            (keys.boolean, 1), (keys.character, "ab"), (keys.character, "\ud800"), (keys.f64, "x"),
            (keys.text, b"x"), (keys.binary, "x"), (keys.text, "\ud800"),
            (keys.tuple_of(keys.u8, keys.u8), (1,)), (keys.tuple_of(keys.text, keys.u8), "ab"),
        ]  # fmt: skip
        for form, value in wrong:
            with self.subTest(value=value), self.assertRaises(Invalid):
                form.encode(value)

    def test_elements_lie_under_others_and_texts_under_their_beginnings(self) -> None:
        form = keys.tuple_of(keys.text, keys.text)
        key = form.encode(("Kiel", "bo\0lt"))
        self.assertTrue(key.startswith(form.encode_under(("Kiel",))))
        self.assertTrue(key.startswith(form.encode_beginning(("Kiel", "bo\0"))))
        self.assertFalse(key.startswith(form.encode_under(("Kie",))))
        self.assertTrue(key.startswith(form.encode_beginning(("Kie",))))
        with self.assertRaises(Invalid):
            keys.text.encode_under(("a",))
        with self.assertRaises(Invalid):
            form.encode_under(("a", "b", "c"))
