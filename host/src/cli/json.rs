//! Bytes in JSON: text as a string, everything else as `{"base64": …}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The one member of the object that stands for bytes that are not text.
const BASE64: &str = "base64";

/// A key or a value on its way from or to JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

/// A key or a value on its way to JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BytesRef<'a>(pub(crate) &'a [u8]);

/// One item as `import` reads and `export` and `scan` write it, one on a line.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemLine {
    /// The key.
    pub(crate) key: Bytes,
    /// The value.
    pub(crate) value: Bytes,
}

/// An item to be written.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ItemLineRef<'a> {
    /// The key.
    pub(crate) key: BytesRef<'a>,
    /// The value, unless only keys were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<BytesRef<'a>>,
}

impl Serialize for BytesRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BASE64, &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BytesRef(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a string or {\"base64\": …}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes(text.as_bytes().to_vec()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Bytes, E> {
        Ok(Bytes(text.into_bytes()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
        let Some((name, text)) = map.next_entry::<String, String>()? else {
            return Err(de::Error::missing_field(BASE64));
        };
        if name != BASE64 {
            return Err(de::Error::unknown_field(&name, &[BASE64]));
        }
        if let Some(name) = map.next_key::<String>()? {
            return Err(de::Error::unknown_field(&name, &[BASE64]));
        }
        STANDARD
            .decode(text)
            .map(Bytes)
            .map_err(|error| de::Error::custom(format_args!("not base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    #[test]
    fn text_is_a_string_and_other_bytes_are_base64() {
        let text = serde_json::to_string(&Bytes("a\0\"ü".as_bytes().to_vec())).unwrap();
        assert_eq!(text, "\"a\\u0000\\\"ü\"");
        assert_eq!(
            serde_json::to_string(&Bytes(vec![0xff, 0])).unwrap(),
            r#"{"base64":"/wA="}"#
        );
    }

    #[test]
    fn both_forms_come_back() {
        for bytes in [
            Vec::new(),
            b"text".to_vec(),
            vec![0xff, 0, 1],
            "\u{1F41C}".as_bytes().to_vec(),
        ] {
            let text = serde_json::to_string(&Bytes(bytes.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap().0, bytes);
        }
        // Text may also come as base64.
        assert_eq!(
            serde_json::from_str::<Bytes>(r#"{"base64":"YQ=="}"#)
                .unwrap()
                .0,
            b"a"
        );
    }

    #[test]
    fn other_forms_are_refused_with_a_reason() {
        let cases = [
            ("1", "a string or"),
            ("null", "a string or"),
            ("[1]", "a string or"),
            ("{}", "missing field `base64`"),
            (r#"{"hex":"00"}"#, "unknown field `hex`"),
            (r#"{"base64":"*"}"#, "not base64"),
            (r#"{"base64":"YQ==","x":"y"}"#, "unknown field `x`"),
        ];
        for (text, reason) in cases {
            let message = serde_json::from_str::<Bytes>(text).unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn an_item_line_has_exactly_key_and_value() {
        let item: ItemLine = serde_json::from_str(r#"{"value":"v","key":"k"}"#).unwrap();
        assert_eq!((item.key.0, item.value.0), (b"k".to_vec(), b"v".to_vec()));
        for bad in [
            r#"{"key":"k"}"#,
            r#"{"key":"k","value":"v","x":1}"#,
            r#"["k","v"]x"#,
            "",
        ] {
            assert!(serde_json::from_str::<ItemLine>(bad).is_err(), "{bad}");
        }
    }
}
