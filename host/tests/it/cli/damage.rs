//! Goal: damage to any file of a database is named and never answered as data, and what was not
//! damaged is not lost over it.
//! Method: a database with every kind of file, left behind by a killed process; each file is
//! damaged in turn, and put back.

use std::path::{Path, PathBuf};

use serde_json::json;
use walkdir::WalkDir;

use super::Sandbox;

/// A way to damage a file.
type Damage = (&'static str, fn(&Path, &[u8]));

const DAMAGES: [Damage; 9] = [
    ("a bit flipped at its beginning", |path, bytes| {
        flip(path, bytes, 1)
    }),
    ("a bit flipped at its 70th byte", |path, bytes| {
        flip(path, bytes, 70)
    }),
    ("a bit flipped near its end", |path, bytes| {
        flip(path, bytes, bytes.len().saturating_sub(3));
    }),
    ("emptied", |path, _| write(path, b"")),
    ("cut to one byte", |path, bytes| {
        write(path, bytes.get(..1).unwrap_or_default());
    }),
    ("its last byte cut off", |path, bytes| {
        write(path, bytes.split_last().map_or(b"", |(_, rest)| rest));
    }),
    ("garbage behind it", |path, bytes| {
        write(path, &[bytes, b"garbage"].concat());
    }),
    ("deleted", |path, _| std::fs::remove_file(path).unwrap()),
    ("a directory in its place", |path, _| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    }),
];

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

fn flip(path: &Path, bytes: &[u8], at: usize) {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x10;
    }
    write(path, &bytes);
}

/// A database with pages, a large value, a checkpoint, and acknowledged commits in the log of a
/// process that was killed.
fn killed() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let lines: String = (0..300)
        .map(|number| format!("{{\"key\":\"k{number:03}\",\"value\":\"v{number}\"}}\n"))
        .collect();
    assert_eq!(sandbox.run_with(&["import", "s"], lines.as_bytes()).code, 0);
    let value = format!("@{}", sandbox.file("value", vec![7; 20_000]));
    sandbox.ok(&["put", "s", "large", &value]);
    let mut session = sandbox.session();
    for number in 0..3 {
        session
            .ok(json!({"op":"put","store":"s","key":format!("z{number}"),"value":"acknowledged"}));
    }
    // Dropped, it is killed.
    drop(session);
    sandbox
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let files = WalkDir::new(directory).sort_by_file_name().into_iter();
    files
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.into_path())
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for entry in WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir(&target).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn copied(sandbox: &Sandbox, arguments: &[&str]) -> super::Ran {
    sandbox.run(&[&["--database", "dir:copy"], arguments].concat())
}

#[test]
fn every_damaged_file_is_named_and_nothing_else_is_lost() {
    let sandbox = killed();
    let (data, other) = (sandbox.data(), sandbox.path("copy"));
    copy(&data, &other);
    let whole = copied(&sandbox, &["export", "s"]).stdout;
    assert_eq!(whole.iter().filter(|byte| **byte == b'\n').count(), 304);
    // Claims say by their name alone what they say.
    let is_claim = |path: &PathBuf| path.extension().is_some_and(|is| is == "claim");
    for file in files(&data).into_iter().filter(|path| !is_claim(path)) {
        let name = file.strip_prefix(&data).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        for (what, damage) in DAMAGES {
            copy(&data, &other);
            let path = other.join(name);
            damage(&path, &bytes);
            let case = format!("{}, {what}", name.display());
            for command in [&["export", "s"][..], &["put", "s", "z0", "acknowledged"]] {
                let ran = copied(&sandbox, command);
                assert!(!ran.stderr.contains("panicked"), "{case}: {ran:?}");
                match ran.code {
                    0 if command.len() == 2 => {
                        assert!(ran.stdout == whole, "{case}: something else was answered");
                    }
                    0 => {}
                    6 | 8 => {
                        // A format file that is gone leaves a directory that is none of ours.
                        let file = name.file_name().unwrap().to_str().unwrap();
                        assert!(ran.stderr.contains(file), "{case}: {ran:?}");
                    }
                    _ => unreachable!("{case}: {ran:?}"),
                }
            }
            // With the file as it was, everything is there.
            if path.is_dir() {
                std::fs::remove_dir(&path).unwrap();
            }
            if bytes.is_empty() || !name.starts_with("log") {
                continue;
            }
            write(&path, &bytes);
            let ran = copied(&sandbox, &["export", "s"]);
            assert!(ran.code == 0 && ran.stdout == whole, "{case}: {ran:?}");
        }
    }
}

#[test]
fn files_of_another_database_are_never_taken_for_own_ones() {
    let (sandbox, stranger) = (killed(), killed());
    let (data, other) = (sandbox.data(), sandbox.path("copy"));
    copy(&data, &other);
    let whole = copied(&sandbox, &["export", "s"]).stdout;
    for file in files(&data) {
        let name = file.strip_prefix(&data).unwrap();
        copy(&data, &other);
        if std::fs::copy(stranger.data().join(name), other.join(name)).is_err() {
            continue;
        }
        let ran = copied(&sandbox, &["export", "s"]);
        let sound = match ran.code {
            0 => ran.stdout == whole,
            code => code == 6 && ran.stderr.contains("damaged"),
        };
        assert!(sound, "{}: {ran:?}", name.display());
    }
}

#[test]
fn what_acknowledged_commits_hang_on_is_missed() {
    let sandbox = killed();
    let kinds = [
        ("log", "log"),
        ("epoch", "manifest"),
        ("checkpoint", "checkpoint"),
    ];
    // Chosen at first: an opening for writing that fails leaves a void manifest behind.
    let newest = kinds.map(|(folder, extension)| {
        let files = files(&sandbox.data().join(folder)).into_iter();
        let mut files = files.filter(|path| path.extension().is_some_and(|is| is == extension));
        files.next_back().unwrap()
    });
    for newest in newest {
        let bytes = std::fs::read(&newest).unwrap();
        std::fs::remove_file(&newest).unwrap();
        let name = newest.file_name().unwrap().to_str().unwrap();
        for command in [
            &["get", "s", "z2"][..],
            &["put", "s", "k", "v"],
            &["verify"],
            &["compact"],
        ] {
            let message = sandbox.fails(6, command);
            assert!(
                message.contains(name) && message.contains("missing"),
                "{message}"
            );
        }
        assert!(!newest.exists());
        write(&newest, &bytes);
    }
    assert_eq!(sandbox.ok(&["get", "s", "z2"]), "acknowledged");
    sandbox.ok(&["verify"]);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let sandbox = Sandbox::with_store();
    let format = sandbox.data().join("format");
    let text = std::fs::read_to_string(&format).unwrap();
    std::fs::write(
        &format,
        text.replacen("sop-database 1", "sop-database 2", 1),
    )
    .unwrap();
    let before = files(&sandbox.data());
    for command in [
        &["stores"][..],
        &["put", "s", "k", "v"],
        &["create", "t"],
        &["verify"],
        &["compact"],
    ] {
        let message = sandbox.fails(8, command);
        assert!(message.contains("format 2"), "{message}");
    }
    let answer = sandbox.run(&["--json", "stores"]).stdout;
    assert!(
        String::from_utf8(answer)
            .unwrap()
            .contains("\"newer-format\"")
    );
    assert_eq!(files(&sandbox.data()), before);
    std::fs::write(&format, text).unwrap();
    assert_eq!(sandbox.ok(&["stores"]), "s\n");
}
