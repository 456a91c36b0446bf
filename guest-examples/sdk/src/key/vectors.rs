//! Goal: this codec and those of other languages agree byte for byte, and `key-vectors.json` means
//! what it says. Method: every vector of the file is encoded and decoded here; each group is
//! checked to ascend.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at a broken assumption"
)]

use super::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr;

#[derive(Deserialize)]
struct Vectors {
    groups: Vec<Group>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
struct Group {
    r#type: String,
    ascending: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    value: Value,
    hex: String,
}

#[derive(Deserialize)]
struct Invalid {
    r#type: String,
    hex: String,
    why: String,
}

/// A key of the file: the JSON form of its value, read.
trait Written: Key {
    fn read(value: &Value) -> Self;
}

macro_rules! decimal {
    ($($type:ty),*) => {$(
        impl Written for $type {
            fn read(value: &Value) -> Self {
                Self::from_str(value.as_str().expect("a number in a string")).expect("a number")
            }
        }
    )*};
}

decimal!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Written for $type {
            fn read(value: &Value) -> Self {
                parsed(value)
            }
        }
    )*};
}

plain!(bool, char, String);

fn parsed<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a value of the type")
}

impl Written for Vec<u8> {
    fn read(value: &Value) -> Self {
        bytes(value.as_str().expect("hexadecimal digits"))
    }
}

impl Written for f64 {
    fn read(value: &Value) -> Self {
        let bits = bytes(value.as_str().expect("hexadecimal digits"));
        Self::from_be_bytes(bits.try_into().expect("8 bytes"))
    }
}

impl<T: Written> Written for Option<T> {
    fn read(value: &Value) -> Self {
        value
            .as_array()
            .expect("a list of none or one")
            .first()
            .map(T::read)
    }
}

impl<T: Written, const N: usize> Written for [T; N] {
    fn read(value: &Value) -> Self {
        let list: Vec<T> = value
            .as_array()
            .expect("a list")
            .iter()
            .map(T::read)
            .collect();
        list.try_into().ok().expect("as many as the array has")
    }
}

macro_rules! tuple {
    ($($name:ident $index:tt)+) => {
        impl<$($name: Written),+> Written for ($($name,)+) {
            fn read(value: &Value) -> Self {
                ($($name::read(value.get($index).expect("an element")),)+)
            }
        }
    };
}

tuple!(A 0 B 1);
tuple!(A 0 B 1 C 2);

fn bytes(hex: &str) -> Vec<u8> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "half a byte in {hex}");
    let text = |pair| std::str::from_utf8(pair).expect("ASCII");
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(text(pair), 16).expect("digits"))
        .collect()
}

/// The encoded form of a value of the file, after a way back and forth.
fn encoded<K: Written>(value: Option<&Value>, hex: &str) -> Option<Vec<u8>> {
    match value {
        Some(value) => {
            let key = K::read(value).encoded();
            assert_eq!(K::decode(&key).expect("what was encoded").encoded(), key);
            Some(key)
        }
        None => K::decode(&bytes(hex)).ok().map(|key| key.encoded()),
    }
}

fn codec(name: &str) -> fn(Option<&Value>, &str) -> Option<Vec<u8>> {
    match name {
        "u8" => encoded::<u8>,
        "u16" => encoded::<u16>,
        "u32" => encoded::<u32>,
        "u64" => encoded::<u64>,
        "u128" => encoded::<u128>,
        "i8" => encoded::<i8>,
        "i16" => encoded::<i16>,
        "i32" => encoded::<i32>,
        "i64" => encoded::<i64>,
        "i128" => encoded::<i128>,
        "bool" => encoded::<bool>,
        "char" => encoded::<char>,
        "f64" => encoded::<f64>,
        "string" => encoded::<String>,
        "bytes" => encoded::<Vec<u8>>,
        "option<u8>" => encoded::<Option<u8>>,
        "option<string>" => encoded::<Option<String>>,
        "[u16; 2]" => encoded::<[u16; 2]>,
        "(string, u64)" => encoded::<(String, u64)>,
        "(bytes, u8)" => encoded::<(Vec<u8>, u8)>,
        "(u16, string, i32)" => encoded::<(u16, String, i32)>,
        _ => panic!("a vector of the unknown type {name}"),
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../key-vectors.json")).expect("key-vectors.json")
}

#[test]
fn every_vector_encodes_to_its_bytes_and_each_group_ascends() {
    let groups = vectors().groups;
    assert!(groups.len() >= 20, "types are missing");
    for group in groups {
        let name = group.r#type;
        for vector in &group.ascending {
            let key = codec(&name)(Some(&vector.value), &vector.hex);
            assert_eq!(key, Some(bytes(&vector.hex)), "{name} {}", vector.value);
        }
        let keys: Vec<_> = group
            .ascending
            .iter()
            .map(|vector| bytes(&vector.hex))
            .collect();
        assert!(
            keys.len() > 1 && keys.is_sorted_by(|a, b| a < b),
            "the group {name} does not ascend"
        );
    }
}

#[test]
fn no_invalid_vector_decodes() {
    for vector in vectors().invalid {
        assert_eq!(
            codec(&vector.r#type)(None, &vector.hex),
            None,
            "{}: {}",
            vector.r#type,
            vector.why
        );
    }
}
