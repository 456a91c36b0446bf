//! `sop plugin new`: a project that builds, with its kit inside.
//!
//! ```text
//! NAME/  plugin, test, Makefile, README.md, plugin.toml    from templates, {{name}} replaced
//!   kit/                                                    the kit of the language, as this release has it
//!   wit/engine, wit/engine/deps/storage                     the interface to the host
//! ```
//!
//! Everything is in the binary, so nothing but the language's own tools comes from the network.

use std::io::Write;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};

/// Letters of a name: it is also that of a store.
const NAME_LETTERS_MAX: usize = 64;
/// What templates end with, so that no tool takes them for what they become.
const TEMPLATE: &str = "template";
/// What stands for the name.
const NAME: &str = "{{name}}";

static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/cli/plugin/templates/rust");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/cli/plugin/templates/python");
static JAVASCRIPT: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/src/cli/plugin/templates/javascript");
static C: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/cli/plugin/templates/c");
static MANIFEST: &str = include_str!("templates/plugin.toml.template");

static RUST_KIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-examples/sdk");
static PYTHON_KIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-examples/python/sop_guest");
static PYTHON_STAND_IN: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/../guest-examples/python/stand_in");
static JAVASCRIPT_KIT: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/../guest-examples/javascript/sop-guest");
static JAVASCRIPT_STAND_IN: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/../guest-examples/javascript/stand-in");
static C_KIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-examples/c/sop");
static C_STAND_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-examples/c/stand-in");
/// The versions that the kit was tested with; cargo drops what a project does not use.
static RUST_LOCK: &[u8] = include_bytes!("../../../../guest-examples/Cargo.lock");

static INTERFACE: [(&str, &[u8]); 3] = [
    (
        "wit/engine/engine.wit",
        include_bytes!("../../../../wit/engine/engine.wit"),
    ),
    (
        "wit/engine/deps/storage/storage.wit",
        include_bytes!("../../../../wit/storage/storage.wit"),
    ),
    (
        "wit/engine/deps/storage/world.wit",
        include_bytes!("../../../../wit/storage/world.wit"),
    ),
];

/// Begin a plugin: a folder that builds, runs and is tested as it stands
///
/// The folder has the plugin, a test of it, a plugin.toml with its grants, the kit of the language and the interface to the
/// host. `make run` in it builds the component and runs it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    sop plugin new visits                      in Rust\n  \
    sop plugin new --lang python visits\n  \
    sop plugin new --lang js agents/visits && make -C agents/visits run\n  \
    sop plugin new --lang c visits\n  \
    sop plugin new --json visits               {\"path\":\"visits\",\"files\":[…]}")]
pub(super) struct New {
    /// The folder, which must not be there; its last part names the plugin and its store: letters, digits, - and _
    path: PathBuf,
    /// The language
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Rust,
    Python,
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    C,
}

/// A file of the project: where it goes, and what it holds.
type Contents = (PathBuf, Vec<u8>);

impl New {
    pub(super) fn run(self, console: &mut Console) -> Outcome<Exit> {
        let name = name(&self.path)?;
        let files = files(self.lang, name);
        write(&self.path, &files)?;
        if console.is_json() {
            let names: Vec<&PathBuf> = files.iter().map(|(path, _)| path).collect();
            console.json(&serde_json::json!({ "path": self.path, "files": names }))?;
            return Ok(Exit::Success);
        }
        let path = self.path.display();
        console.line(&format!("{path}: {} files", files.len()))?;
        console.line(&format!(
            "  make -C {path} run     build {name}.wasm and run it"
        ))?;
        console.line(&format!(
            "  make -C {path} test    test it on a database in memory"
        ))?;
        console.line(&format!("  {path}/README.md       what is where"))?;
        Ok(Exit::Success)
    }
}

/// The last part of the path, if it can name a package, a store and a file in every language.
fn name(path: &Path) -> Outcome<&str> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    let letter = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter)
    };
    if begins && name.chars().all(letter) && name.len() <= NAME_LETTERS_MAX {
        return Ok(name);
    }
    let advice = format!(
        "begin with a letter and go on with letters a-z, digits, - and _, {NAME_LETTERS_MAX} at most"
    );
    Err(Failure::usage(format!("{}: no name for a plugin", path.display())).advise(&advice))
}

/// All files of a project.
fn files(language: Language, name: &str) -> Vec<Contents> {
    let mut files = vec![(
        PathBuf::from("plugin.toml"),
        filled(MANIFEST.as_bytes(), name),
    )];
    let template = match language {
        Language::Rust => &RUST,
        Language::Python => &PYTHON,
        Language::JavaScript => &JAVASCRIPT,
        Language::C => &C,
    };
    collect(template, Path::new(""), &mut |path, bytes| {
        let path = match path.extension() {
            Some(extension) if extension == TEMPLATE => path.with_extension(""),
            _ => path,
        };
        files.push((path, filled(bytes, name)));
    });
    let kits: &[(&Dir<'_>, &str)] = match language {
        Language::Rust => &[(&RUST_KIT, "kit/sdk")],
        Language::Python => &[
            (&PYTHON_KIT, "kit/sop_guest"),
            (&PYTHON_STAND_IN, "kit/stand_in"),
        ],
        Language::JavaScript => &[
            (&JAVASCRIPT_KIT, "kit/sop-guest"),
            (&JAVASCRIPT_STAND_IN, "kit/stand-in"),
        ],
        Language::C => &[(&C_KIT, "kit/sop"), (&C_STAND_IN, "kit/stand-in")],
    };
    for (kit, folder) in kits {
        collect(kit, Path::new(folder), &mut |path, bytes| {
            files.push((path, bytes.to_vec()))
        });
    }
    if language == Language::Rust {
        files.push((PathBuf::from("Cargo.lock"), RUST_LOCK.to_vec()));
    }
    files.extend(INTERFACE.map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec())));
    files.sort();
    files
}

/// The files of a folder in the binary, without what an interpreter leaves behind.
fn collect(folder: &Dir<'_>, into: &Path, give: &mut impl FnMut(PathBuf, &[u8])) {
    for file in folder.files() {
        give(into.join(file.path()), file.contents());
    }
    for folder in folder.dirs() {
        if !folder.path().ends_with("__pycache__") {
            collect(folder, into, give);
        }
    }
}

fn filled(template: &[u8], name: &str) -> Vec<u8> {
    String::from_utf8_lossy(template)
        .replace(NAME, name)
        .into_bytes()
}

/// Writes a folder that was not there; one that cannot be completed is removed.
fn write(path: &Path, files: &[Contents]) -> Outcome {
    let failed = |path: &Path, error: &std::io::Error| Failure::file(path, error);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
    }
    std::fs::create_dir(path).map_err(|error| failed(path, &error))?;
    let all = files.iter().try_for_each(|(name, bytes)| {
        let file = path.join(name);
        create(&file, bytes).map_err(|error| failed(&file, &error))
    });
    if all.is_err() {
        // The failure before is the one to tell.
        let _ = std::fs::remove_dir_all(path);
    }
    all
}

fn create(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::File::create_new(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_a_package_a_store_and_a_file() {
        for good in ["visits", "a/b/my-agent_2", "x"] {
            assert!(name(Path::new(good)).is_ok(), "{good}");
        }
        for bad in ["", "..", "Visits", "2nd", "-x", "a b", "ä", &"x".repeat(65)] {
            assert!(name(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_project_has_all_it_needs_and_no_template_is_left() {
        for (language, wanted) in [
            (
                Language::Rust,
                ["src/lib.rs", ".cargo/config.toml", "kit/sdk/src/lib.rs"],
            ),
            (
                Language::Python,
                ["app.py", "test_app.py", "kit/sop_guest/__init__.py"],
            ),
            (
                Language::JavaScript,
                ["app.js", "app.test.js", "kit/sop-guest/index.js"],
            ),
            (
                Language::C,
                ["app.c", "kit/sop/libc/stdlib.h", "kit/stand-in/run.h"],
            ),
        ] {
            let files = files(language, "visits");
            let both = [
                "Makefile",
                "README.md",
                "plugin.toml",
                "wit/engine/engine.wit",
                ".gitignore",
            ];
            for wanted in wanted.iter().chain(&both) {
                assert!(
                    files.iter().any(|(path, _)| path == Path::new(wanted)),
                    "{wanted}"
                );
            }
            for (path, bytes) in &files {
                let text = String::from_utf8_lossy(bytes);
                let name = path.to_string_lossy();
                assert!(
                    !name.ends_with(TEMPLATE) && !name.contains("__pycache__"),
                    "{name}"
                );
                assert!(!text.contains(NAME), "{name}");
            }
        }
    }
}
