"""Values as bytes: the forms that the kits of all languages share, and JSON.

The forms other than `json` and `raw` are those of postcard, which the kit for Rust uses: integers of more
than one byte are variable-length (7 bits in a byte, the lowest first, the top bit set on all but the last;
signed ones zigzag), texts and byte strings begin with their length, and nothing carries a type or a name. To
change the form of a stored value, put a number of the form before it first.
"""

from __future__ import annotations

import json as _json
import struct
from typing import Any, Generic, Optional, TypeVar

from .errors import Invalid, ValueMismatch

V = TypeVar("V")


class Form(Generic[V]):
    """How values of one type are written."""

    def encode(self, value: V) -> bytes:
        """The encoded value. `Invalid` if it is none of this form."""
        raise NotImplementedError

    def decode_from(self, data: bytes, start: int) -> tuple[V, int]:
        """The value whose bytes begin at `start`, and where they end."""
        raise NotImplementedError

    def decode(self, data: bytes) -> V:
        """The value of which these bytes, all of them, are the encoded form."""
        value, end = self.decode_from(data, 0)
        if end != len(data):
            raise ValueMismatch(
                f"a value has {len(data) - end} bytes too many; was it written by another program?"
            )
        return value


def _taken(data: bytes, start: int, length: int) -> bytes:
    end = start + length
    if end > len(data):
        raise ValueMismatch("a value ends too early; was it written by another program?")
    return data[start:end]


class _Unsigned(Form[int]):
    def __init__(self, bits: int) -> None:
        self.bits = bits

    def encode(self, value: int) -> bytes:
        if not isinstance(value, int) or not 0 <= value < 1 << self.bits:
            raise Invalid(f"{value!r} is no unsigned integer of {self.bits} bits")
        encoded = bytearray()
        while value > 0x7F:
            encoded.append(value & 0x7F | 0x80)
            value >>= 7
        encoded.append(value)
        return bytes(encoded)

    def decode_from(self, data: bytes, start: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, self.bits, 7):
            byte = _taken(data, start, 1)[0]
            start += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> self.bits:
                    break
                return value, start
        raise ValueMismatch(
            f"a value has a number of more than {self.bits} bits; was it written by another program?"
        )


class _Signed(Form[int]):
    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.unsigned = _Unsigned(bits)

    def encode(self, value: int) -> bytes:
        if not isinstance(value, int) or not -1 << self.bits - 1 <= value < 1 << self.bits - 1:
            raise Invalid(f"{value!r} is no signed integer of {self.bits} bits")
        return self.unsigned.encode(value << 1 if value >= 0 else ~(value << 1))

    def decode_from(self, data: bytes, start: int) -> tuple[int, int]:
        folded, end = self.unsigned.decode_from(data, start)
        return (~(folded >> 1) if folded & 1 else folded >> 1), end


class _Byte(Form[int]):
    def __init__(self, signed: bool) -> None:
        self.signed = signed

    def encode(self, value: int) -> bytes:
        try:
            return value.to_bytes(1, "little", signed=self.signed)
        except (OverflowError, AttributeError):
            raise Invalid(f"{value!r} is no integer of 8 bits") from None

    def decode_from(self, data: bytes, start: int) -> tuple[int, int]:
        return int.from_bytes(_taken(data, start, 1), "little", signed=self.signed), start + 1


class _Boolean(Form[bool]):
    def encode(self, value: bool) -> bytes:
        if not isinstance(value, bool):
            raise Invalid(f"{value!r} is no truth value")
        return b"\x01" if value else b"\x00"

    def decode_from(self, data: bytes, start: int) -> tuple[bool, int]:
        mark = _taken(data, start, 1)[0]
        if mark > 1:
            raise ValueMismatch(f"a value has {mark} for a truth value; was it written by another program?")
        return mark == 1, start + 1


class _Float(Form[float]):
    def encode(self, value: float) -> bytes:
        try:
            return struct.pack("<d", value)
        except struct.error:
            raise Invalid(f"{value!r} is no number") from None

    def decode_from(self, data: bytes, start: int) -> tuple[float, int]:
        return struct.unpack("<d", _taken(data, start, 8))[0], start + 8


class _Binary(Form[bytes]):
    def encode(self, value: bytes) -> bytes:
        return u64.encode(len(value)) + value

    def decode_from(self, data: bytes, start: int) -> tuple[bytes, int]:
        length, start = u64.decode_from(data, start)
        return _taken(data, start, length), start + length


class _Text(Form[str]):
    def encode(self, value: str) -> bytes:
        if not isinstance(value, str):
            raise Invalid(f"{value!r} is no text")
        return binary.encode(value.encode())

    def decode_from(self, data: bytes, start: int) -> tuple[str, int]:
        found, end = binary.decode_from(data, start)
        try:
            return found.decode(), end
        except UnicodeDecodeError:
            raise ValueMismatch(
                "a value has a text that is not UTF-8; was it written by another program?"
            ) from None


class _Optional(Form[Optional[V]]):
    def __init__(self, form: Form[V]) -> None:
        self.form = form

    def encode(self, value: Optional[V]) -> bytes:
        return b"\x00" if value is None else b"\x01" + self.form.encode(value)

    def decode_from(self, data: bytes, start: int) -> tuple[Optional[V], int]:
        present, start = boolean.decode_from(data, start)
        return self.form.decode_from(data, start) if present else (None, start)


class _Tuple(Form[tuple[Any, ...]]):
    def __init__(self, forms: tuple[Form[Any], ...]) -> None:
        self.forms = forms

    def encode(self, value: tuple[Any, ...]) -> bytes:
        if len(value) != len(self.forms):
            raise Invalid(f"a value of {len(self.forms)} elements is given {len(value)}")
        return b"".join([form.encode(element) for form, element in zip(self.forms, value, strict=False)])

    def decode_from(self, data: bytes, start: int) -> tuple[tuple[Any, ...], int]:
        elements = []
        for form in self.forms:
            element, start = form.decode_from(data, start)
            elements.append(element)
        return tuple(elements), start


class _List(Form[list[V]]):
    def __init__(self, form: Form[V]) -> None:
        self.form = form

    def encode(self, value: list[V]) -> bytes:
        return u64.encode(len(value)) + b"".join([self.form.encode(element) for element in value])

    def decode_from(self, data: bytes, start: int) -> tuple[list[V], int]:
        length, start = u64.decode_from(data, start)
        elements: list[V] = []
        while len(elements) < length:
            # A form of no bytes could not run out of them.
            before = start
            element, start = self.form.decode_from(data, start)
            if start == before:
                raise ValueMismatch("a list of elements without bytes; was it written by another program?")
            elements.append(element)
        return elements, start


class _Json(Form[Any]):
    def encode(self, value: Any) -> bytes:
        return _json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def decode_from(self, data: bytes, start: int) -> tuple[Any, int]:
        try:
            return _json.loads(data[start:]), len(data)
        except ValueError as reason:
            raise ValueMismatch(
                f"a value is not JSON ({reason}); was it written by another program?"
            ) from None


class _Raw(Form[bytes]):
    def encode(self, value: bytes) -> bytes:
        return value

    def decode_from(self, data: bytes, start: int) -> tuple[bytes, int]:
        return data[start:], len(data)


u8: Form[int] = _Byte(signed=False)
i8: Form[int] = _Byte(signed=True)
u16, u32, u64, u128 = (_Unsigned(bits) for bits in (16, 32, 64, 128))
i16, i32, i64, i128 = (_Signed(bits) for bits in (16, 32, 64, 128))
boolean: Form[bool] = _Boolean()
f64: Form[float] = _Float()
binary: Form[bytes] = _Binary()
text: Form[str] = _Text()
json: Form[Any] = _Json()
"""Anything that JSON can say. Only for a whole value; other languages read it with their own JSON."""
raw: Form[bytes] = _Raw()
"""Bytes as they are. Only for a whole value."""


def optional(form: Form[V]) -> Form[Optional[V]]:
    """None or a value of the form."""
    return _Optional(form)


def tuple_of(*forms: Form[Any]) -> Form[tuple[Any, ...]]:
    """Tuples, and what other languages call records: the elements one after another."""
    return _Tuple(forms)


def list_of(form: Form[V]) -> Form[list[V]]:
    """Lists of any length."""
    return _List(form)
