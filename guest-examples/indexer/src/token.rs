//! Tokens of a text; the rule is in the crate's documentation.

use std::collections::BTreeMap;

/// Bytes of a token, at most.
pub(crate) const TOKEN_BYTES_MAX: usize = 64;

/// How often each term occurs in a text.
pub(crate) fn terms(text: &str) -> BTreeMap<String, u32> {
    let mut terms = BTreeMap::new();
    for run in text.split(|character: char| !character.is_alphanumeric()) {
        if !run.is_empty() {
            let count: &mut u32 = terms.entry(token(run)).or_default();
            *count = count.saturating_add(1);
        }
    }
    terms
}

fn token(run: &str) -> String {
    let mut token = String::with_capacity(run.len().min(TOKEN_BYTES_MAX));
    for character in run.chars().flat_map(char::to_lowercase) {
        if token.len() + character.len_utf8() > TOKEN_BYTES_MAX {
            break;
        }
        token.push(character);
    }
    token
}
