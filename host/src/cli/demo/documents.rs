//! The documents of the demo, and what their index must come to: counted here in plain Rust, by no code that the plugin
//! or the engine has.

use std::collections::BTreeMap;
use std::path::Path;

use walkdir::WalkDir;

use crate::cli::failure::{Failure, Outcome};

/// Files longer than this are left out: they are data more often than text.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Folders that hold what was built, not what was written.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];
/// Longest word that is indexed, in bytes.
const WORD_BYTES_MAX: usize = 64;

/// A piece of text that one transaction indexes.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Unique in the database.
    pub(super) id: u64,
    /// The file it comes from, and which piece of it.
    pub(super) path: String,
    /// The text.
    pub(super) text: String,
}

/// What an index over some documents says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Words by document.
    pub(super) documents: BTreeMap<u64, u64>,
    /// By word: in how many documents, and how often altogether.
    pub(super) terms: BTreeMap<String, (u64, u64)>,
    /// How often a word is in a document.
    pub(super) postings: BTreeMap<(String, u64), u64>,
    /// Words altogether.
    pub(super) tokens: u64,
}

/// The text files below a folder in pieces of about `piece_bytes`, in the order of their paths.
pub(super) fn collect(
    folder: &Path,
    piece_bytes: usize,
    documents_max: usize,
) -> Outcome<Vec<Document>> {
    let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    let entered = walk.filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(SKIPPED.contains(&&*name) || name.starts_with("sop-d"))
    });
    let mut documents = Vec::new();
    for entry in entered {
        let entry = entry.map_err(|error| match (error.path(), error.io_error()) {
            (Some(path), Some(error)) => Failure::file(path, error),
            _ => Failure::new("file", error.to_string()),
        })?;
        let small = entry
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= FILE_BYTES_MAX);
        if !small {
            continue;
        }
        let path = entry.path();
        // What cannot be read or is not UTF-8 is not a document.
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        let name = path
            .strip_prefix(folder)
            .unwrap_or(path)
            .display()
            .to_string();
        for (number, piece) in pieces(&text, piece_bytes).into_iter().enumerate() {
            if documents.len() >= documents_max {
                return Ok(documents);
            }
            let id = documents.len() as u64;
            documents.push(Document {
                id,
                path: format!("{name}#{number}"),
                text: piece.to_owned(),
            });
        }
    }
    if documents.is_empty() {
        return Err(Failure::not_found(format!(
            "{} has no text files: name another folder with --documents",
            folder.display()
        )));
    }
    Ok(documents)
}

/// Cuts at the ends of lines.
fn pieces(text: &str, piece_bytes: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > piece_bytes {
        let from = rest.ceil_char_boundary(piece_bytes);
        let Some(line) = rest.get(from..).and_then(|after| after.find('\n')) else {
            break;
        };
        let (piece, after) = rest.split_at(from + line + 1);
        pieces.push(piece);
        rest = after;
    }
    if !rest.trim().is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// The words of a text: runs of alphanumeric characters, each in lower case, cut to a length.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut word: String = word.chars().flat_map(char::to_lowercase).collect();
            word.truncate(word.floor_char_boundary(WORD_BYTES_MAX));
            word
        })
}

/// The index of these documents, counted one after another.
pub(super) fn recount<'a>(documents: impl Iterator<Item = &'a Document>) -> Index {
    let mut index = Index::default();
    for document in documents {
        let mut count = 0;
        for word in words(&document.text) {
            count += 1;
            let (containing, occurrences) = index.terms.entry(word.clone()).or_default();
            *occurrences += 1;
            let posting = index.postings.entry((word, document.id)).or_default();
            *containing += u64::from(*posting == 0);
            *posting += 1;
        }
        index.tokens += count;
        index.documents.insert(document.id, count);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_text_cut_at_lines() {
        let text = "one two\nthree\n".repeat(50);
        let cut = pieces(&text, 100);
        assert_eq!(cut.concat(), text);
        assert!(cut.len() > 4 && cut.iter().all(|piece| piece.ends_with('\n')));
        assert!(pieces(" \n \n", 100).is_empty());
        assert_eq!(
            pieces(&"ä".repeat(300), 101).len(),
            1,
            "a line is never cut"
        );
    }

    #[test]
    fn words_are_counted_by_document_and_altogether() {
        let document = |id, text: &str| Document {
            id,
            path: String::new(),
            text: text.to_owned(),
        };
        let documents = [
            document(1, "A rose is a rose."),
            document(2, "Rose-garden; 2nd"),
        ];
        let index = recount(documents.iter());
        assert_eq!(index.terms.get("rose"), Some(&(2, 3)));
        assert_eq!(index.terms.get("a"), Some(&(1, 2)));
        assert_eq!((index.tokens, index.postings.len()), (8, 6));
        assert_eq!(index.postings.get(&("rose".to_owned(), 1)), Some(&2));
        assert_eq!(index.documents, BTreeMap::from([(1, 5), (2, 3)]));
    }
}
