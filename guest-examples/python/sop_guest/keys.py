"""Keys as bytes that sort like the values they stand for.

A store orders its keys bytewise. A `Form` turns a value into bytes so that for any two values of one form `a
< b` exactly when their bytes are so, and the bytes of one are never a proper prefix of those of another. From
both follows that they can simply be put one after another: a tuple sorts element by element, and the keys
that begin with certain elements are one contiguous range.

    form                 bytes u8 ... u128          big-endian, as many bytes as the form has i8 ... i128
    the same with the top bit flipped boolean              00 = False, 01 = True character            its code
    point as u32 f64                  its IEEE bits, big-endian; top bit set: all bits flipped, else: only the
    top bit flipped text, binary         the bytes (of UTF-8) with 00 written as 00 ff, then the end mark 00
    01 optional(form)       00 = None; 01 and the value tuple_of(forms)      the elements one after another
    array_of(form, n)    the elements one after another raw                  bytes as they are: only for a
    whole key, not as an element

It is the form of the kits of all languages, byte for byte; `guest-examples/key-vectors.json` has the test
vectors and `guest-examples/sdk/src/key/mod.rs` says why it is as it is. A store has one key form, known to
those who use it.
"""

from __future__ import annotations

import struct
from typing import Any, Generic, Optional, Sequence, TypeVar

from .errors import Invalid, KeyMismatch

V = TypeVar("V")
W = TypeVar("W")

_ZERO_ESCAPED = b"\x00\xff"
_END = b"\x00\x01"


class Form(Generic[V]):
    """How values of one type are written as keys."""

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
            raise KeyMismatch(f"a key has {len(data) - end} bytes too many; is it of another form?")
        return value

    def encode_beginning(self, value: Any) -> bytes:
        """What the keys begin with whose text, or whose last given element, begins with this one."""
        return self.encode(value)

    def encode_under(self, elements: Sequence[Any]) -> bytes:
        """What the tuple keys begin with whose first elements are these."""
        raise Invalid("only keys that are tuples lie under others")


def _taken(data: bytes, start: int, length: int) -> bytes:
    end = start + length
    if end > len(data):
        raise KeyMismatch("a key ends inside a value; is it of another form?")
    return data[start:end]


class _Integer(Form[int]):
    def __init__(self, byte_count: int, signed: bool) -> None:
        self.byte_count = byte_count
        self.signed = signed
        # Moving the negative numbers up by half the range is flipping the top bit.
        self.offset = 1 << (byte_count * 8 - 1) if signed else 0

    def encode(self, value: int) -> bytes:
        try:
            return (value + self.offset).to_bytes(self.byte_count, "big")
        except (OverflowError, TypeError, AttributeError):
            kind = "signed" if self.signed else "unsigned"
            raise Invalid(f"{value!r} is no {kind} integer of {self.byte_count * 8} bits") from None

    def decode_from(self, data: bytes, start: int) -> tuple[int, int]:
        found = _taken(data, start, self.byte_count)
        return int.from_bytes(found, "big") - self.offset, start + self.byte_count


class _Boolean(Form[bool]):
    def encode(self, value: bool) -> bytes:
        if not isinstance(value, bool):
            raise Invalid(f"{value!r} is no truth value")
        return b"\x01" if value else b"\x00"

    def decode_from(self, data: bytes, start: int) -> tuple[bool, int]:
        mark = _taken(data, start, 1)[0]
        if mark > 1:
            raise KeyMismatch(
                f"a key has the byte {mark:#04x} where a truth value should be; is it of another form?"
            )
        return mark == 1, start + 1


class _Character(Form[str]):
    def encode(self, value: str) -> bytes:
        if not isinstance(value, str) or len(value) != 1 or 0xD800 <= ord(value) < 0xE000:
            raise Invalid(f"{value!r} is no single character")
        return ord(value).to_bytes(4, "big")

    def decode_from(self, data: bytes, start: int) -> tuple[str, int]:
        code = int.from_bytes(_taken(data, start, 4), "big")
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise KeyMismatch(f"a key has {code:#x} where a character should be; is it of another form?")
        return chr(code), start + 4


_BITS_64 = (1 << 64) - 1
_TOP_BIT = 1 << 63


class _Float(Form[float]):
    def encode(self, value: float) -> bytes:
        try:
            bits = int.from_bytes(struct.pack(">d", value), "big")
        except struct.error:
            raise Invalid(f"{value!r} is no number") from None
        return (bits ^ (_BITS_64 if bits & _TOP_BIT else _TOP_BIT)).to_bytes(8, "big")

    def decode_from(self, data: bytes, start: int) -> tuple[float, int]:
        ordered = int.from_bytes(_taken(data, start, 8), "big")
        bits = ordered ^ (_TOP_BIT if ordered & _TOP_BIT else _BITS_64)
        return struct.unpack(">d", bits.to_bytes(8, "big"))[0], start + 8


class _Binary(Form[bytes]):
    def encode_beginning(self, value: Any) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise Invalid(f"{value!r} are no bytes")
        return bytes(value).replace(b"\x00", _ZERO_ESCAPED)

    def encode(self, value: bytes) -> bytes:
        return self.encode_beginning(value) + _END

    def decode_from(self, data: bytes, start: int) -> tuple[bytes, int]:
        value = bytearray()
        while True:
            zero = data.find(b"\x00", start)
            mark = data[zero + 1 : zero + 2]
            if zero < 0 or not mark:
                raise KeyMismatch("a key ends inside a string; is it of another form?")
            value += data[start:zero]
            start = zero + 2
            if mark == _END[1:]:
                return bytes(value), start
            if mark != _ZERO_ESCAPED[1:]:
                raise KeyMismatch(f"a key has the byte {mark[0]:#04x} after a zero; is it of another form?")
            value.append(0)


class _Text(Form[str]):
    def encode_beginning(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise Invalid(f"{value!r} is no text")
        try:
            return value.encode().replace(b"\x00", _ZERO_ESCAPED)
        except UnicodeEncodeError:
            raise Invalid(f"{value!r} has half a surrogate pair, which no UTF-8 has") from None

    def encode(self, value: str) -> bytes:
        return self.encode_beginning(value) + _END

    def decode_from(self, data: bytes, start: int) -> tuple[str, int]:
        found, end = binary.decode_from(data, start)
        try:
            return found.decode(), end
        except UnicodeDecodeError:
            raise KeyMismatch("a key has a string that is not UTF-8; is it a byte string?") from None


class _Optional(Form[Optional[V]]):
    def __init__(self, form: Form[V]) -> None:
        self.form = form

    def encode(self, value: Optional[V]) -> bytes:
        return b"\x00" if value is None else b"\x01" + self.form.encode(value)

    def decode_from(self, data: bytes, start: int) -> tuple[Optional[V], int]:
        mark = _taken(data, start, 1)[0]
        if mark == 0:
            return None, start + 1
        if mark > 1:
            raise KeyMismatch(
                f"a key has the byte {mark:#04x} where an option begins; is it of another form?"
            )
        return self.form.decode_from(data, start + 1)


class _Sequence(Form[tuple[Any, ...]]):
    def __init__(self, forms: Sequence[Form[Any]]) -> None:
        self.forms = tuple(forms)

    def encode(self, value: Sequence[Any]) -> bytes:
        if len(value) != len(self.forms):
            raise Invalid(f"a key of {len(self.forms)} elements is given {len(value)}")
        return self.encode_under(value)

    def encode_under(self, elements: Sequence[Any]) -> bytes:
        if isinstance(elements, str) or len(elements) > len(self.forms):
            raise Invalid(f"{elements!r} are not the first of {len(self.forms)} elements")
        return b"".join([form.encode(element) for form, element in zip(self.forms, elements, strict=False)])

    def encode_beginning(self, value: Sequence[Any]) -> bytes:
        complete = self.encode_under(value[:-1])
        return complete + self.forms[len(value) - 1].encode_beginning(value[-1]) if value else b""

    def decode_from(self, data: bytes, start: int) -> tuple[tuple[Any, ...], int]:
        elements = []
        for form in self.forms:
            element, start = form.decode_from(data, start)
            elements.append(element)
        return tuple(elements), start


class _Raw(Form[bytes]):
    def encode(self, value: bytes) -> bytes:
        return value

    def decode_from(self, data: bytes, start: int) -> tuple[bytes, int]:
        return data[start:], len(data)


u8, u16, u32, u64, u128 = (_Integer(byte_count, signed=False) for byte_count in (1, 2, 4, 8, 16))
i8, i16, i32, i64, i128 = (_Integer(byte_count, signed=True) for byte_count in (1, 2, 4, 8, 16))
boolean: Form[bool] = _Boolean()
character: Form[str] = _Character()
f64: Form[float] = _Float()
"""Sorted with every value in its place: -NaN, -inf, ..., -0.0, 0.0, ..., inf, NaN."""
binary: Form[bytes] = _Binary()
text: Form[str] = _Text()
raw: Form[bytes] = _Raw()


def optional(form: Form[V]) -> Form[Optional[V]]:
    """None, which sorts first, or a value of the form."""
    return _Optional(form)


def tuple_of(*forms: Form[Any]) -> Form[tuple[Any, ...]]:
    """Tuples, which sort element by element."""
    return _Sequence(forms)


def array_of(form: Form[Any], length: int) -> Form[tuple[Any, ...]]:
    """Tuples of so many elements of one form."""
    return _Sequence([form] * length)
