//! Data flows one way: a module uses only what lies to its right. Method: the sources are read as text.

use std::path::{Path, PathBuf};

/// A folder or file below the root of the project, and the words that its sources may not have.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    (
        "engine/src/page",
        &[
            "crate::tree",
            "crate::store::",
            "crate::validation",
            "crate::transaction",
            "crate::catalog",
        ],
    ),
    (
        "engine/src/tree",
        &[
            "crate::store::",
            "crate::validation",
            "crate::transaction",
            "crate::catalog",
        ],
    ),
    (
        "engine/src/store",
        &[
            "crate::validation",
            "crate::transaction",
            "crate::catalog",
            "crate::maintenance",
        ],
    ),
    (
        "engine/src/validation",
        &["crate::transaction", "crate::catalog", "crate::maintenance"],
    ),
    (
        "engine/src/transaction",
        &["crate::maintenance", "crate::component", "crate::bindings"],
    ),
    (
        "host/src/registry",
        &[
            "wasmtime",
            "crate::capability",
            "crate::database",
            "crate::plugin",
            "crate::commit",
        ],
    ),
    (
        "host/src/blob",
        &[
            "wasmtime",
            "crate::capability",
            "crate::database",
            "crate::plugin",
            "crate::commit::queue",
        ],
    ),
    (
        "host/src/commit",
        &[
            "wasmtime",
            "tokio::",
            "std::time::Instant",
            "rand::",
            "crate::capability",
            "crate::database",
        ],
    ),
    (
        "host/src/cache",
        &[
            "wasmtime",
            "tokio::",
            "std::time::Instant",
            "crate::capability",
            "crate::database",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a file is a test: tests may build what they need.
fn is_test(path: &Path) -> bool {
    path.iter()
        .any(|part| part.to_string_lossy().contains("test"))
}

#[test]
fn no_module_uses_what_lies_to_its_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut offences = Vec::new();
    let mut read = 0;
    for (folder, words) in FORBIDDEN {
        let mut files = Vec::new();
        sources(&root.join(folder), &mut files);
        for file in files
            .iter()
            .filter(|file| !is_test(file.strip_prefix(&root).unwrap()))
        {
            read += 1;
            let text = std::fs::read_to_string(file).unwrap();
            // What stands in a comment is not used.
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for (number, line) in code.enumerate() {
                if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                    offences.push(format!(
                        "{}: {word} (code line {})",
                        file.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(read > 40, "only {read} files were read");
    assert!(offences.is_empty(), "{offences:#?}");
}
