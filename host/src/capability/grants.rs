//! What a plugin may do, by store name.

use std::str::FromStr;

use sop_engine::types::Access;

use crate::error::Error;

/// What may be done with the stores of a grant. Each mode includes the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Read: `ro`.
    Read,
    /// Read and change items: `rw`.
    Write,
    /// Read, change items, create and drop the stores themselves: `create`.
    Create,
}

impl Mode {
    /// The mode as the engine is told.
    pub fn access(self) -> Access {
        Access {
            read: true,
            write: self >= Self::Write,
            create: self >= Self::Create,
        }
    }
}

/// Stores and a mode: `users`, `users:ro`, `log/*:rw`, `scratch-*:create`.
///
/// A pattern is a store's exact name, or a beginning of names with `*` at its end. Names are compared as bytes, so
/// look-alikes, `..` and `/` mean nothing special. Without a mode it is `ro`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name, or the beginning of names.
    name: Vec<u8>,
    /// Whether `name` is a beginning.
    prefix: bool,
    mode: Mode,
}

impl Grant {
    /// One store, by its exact name, whatever bytes it has.
    pub fn exact(name: impl AsRef<[u8]>, mode: Mode) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            prefix: false,
            mode,
        }
    }

    /// All stores whose names begin with these bytes.
    pub fn prefix(prefix: impl AsRef<[u8]>, mode: Mode) -> Self {
        Self {
            name: prefix.as_ref().to_vec(),
            prefix: true,
            mode,
        }
    }

    fn matches(&self, name: &[u8]) -> bool {
        if self.prefix {
            name.starts_with(&self.name)
        } else {
            name == self.name
        }
    }
}

impl FromStr for Grant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (pattern, mode) = match text.rsplit_once(':') {
            None => (text, Mode::Read),
            Some((pattern, "ro")) => (pattern, Mode::Read),
            Some((pattern, "rw")) => (pattern, Mode::Write),
            Some((pattern, "create")) => (pattern, Mode::Create),
            Some((_, mode)) => {
                return Err(Error::Invalid(format!(
                    "grant `{text}`: `{mode}` is no mode, write ro, rw or create"
                )));
            }
        };
        match pattern.strip_suffix('*') {
            _ if pattern.is_empty() => {
                Err(Error::Invalid(format!("grant `{text}` names no store")))
            }
            Some(prefix) => Ok(Self::prefix(prefix, mode)),
            None => Ok(Self::exact(pattern, mode)),
        }
    }
}

/// All grants of a plugin. Nothing is granted unless a grant says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// What may be done with a store of this name: the strongest of the grants that match.
    pub fn access(&self, name: &[u8]) -> Access {
        let mode = self
            .0
            .iter()
            .filter(|grant| grant.matches(name))
            .map(|grant| grant.mode)
            .max();
        mode.map_or_else(Access::default, Mode::access)
    }

    /// Whether any store may be created or dropped.
    pub fn may_create(&self) -> bool {
        self.0.iter().any(|grant| grant.mode == Mode::Create)
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self(grants.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        texts
            .iter()
            .map(|text| text.parse::<Grant>().unwrap())
            .collect()
    }

    #[test]
    fn names_match_exactly_or_by_prefix_as_bytes() {
        let grants = grants(&["users:ro", "log/*:rw", "tmp-*:create"]);
        assert!(grants.access(b"users").read && !grants.access(b"users").write);
        for other in [
            "user",
            "users ",
            "Users",
            "users\0",
            "users2",
            "./users",
            "us\u{435}rs",
            "",
        ] {
            assert_eq!(
                grants.access(other.as_bytes()),
                Access::default(),
                "{other:?}"
            );
        }
        assert!(grants.access(b"log/").write && grants.access(b"log/../users").write);
        assert!(!grants.access(b"log/a").create && grants.access(b"tmp-1").create);
        assert!(!grants.access(b"log").read);
    }

    #[test]
    fn the_strongest_matching_grant_counts() {
        let grants = grants(&["*:ro", "a*:rw", "ab:ro"]);
        assert!(grants.access(b"ab").write && !grants.access(b"b").write);
        assert!(!grants.may_create());
    }

    #[test]
    fn bad_grants_are_refused() {
        for bad in ["", ":rw", "a:rx", "a:"] {
            assert!(bad.parse::<Grant>().is_err(), "{bad:?}");
        }
    }
}
