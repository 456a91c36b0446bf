//! Goal: each thing that is not a database of this format gets its own error. Method: one directory per case.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::super::fixture::{look, open, small_files};
use super::*;

#[test]
fn a_missing_or_empty_directory_is_missing_to_a_reader_and_made_by_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    assert!(matches!(look(&path), Err(DirectoryError::Missing(named)) if named == path));
    assert!(!path.exists());
    let no_create = super::super::DirectoryOptions {
        create: false,
        ..small_files()
    };
    assert!(matches!(
        open(&path, no_create.clone()),
        Err(DirectoryError::Missing(_))
    ));
    std::fs::create_dir_all(&path).unwrap();
    assert!(matches!(look(&path), Err(DirectoryError::Missing(_))));
    assert!(matches!(
        open(&path, no_create.clone()),
        Err(DirectoryError::Missing(_))
    ));
    drop(open(&path, small_files()).unwrap());
    drop(open(&path, no_create).unwrap());
    assert!(look(&path).unwrap().is_empty());
}

#[test]
fn a_foreign_directory_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    let error = open(folder.path(), small_files()).unwrap_err();
    assert!(
        matches!(error, DirectoryError::Foreign { .. }) && error.to_string().contains("letter.txt"),
        "{error}"
    );
    assert!(matches!(
        look(folder.path()),
        Err(DirectoryError::Foreign { .. })
    ));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing was added"
    );
    let file = folder.path().join("letter.txt");
    assert!(matches!(
        open(&file, small_files()),
        Err(DirectoryError::Foreign { .. })
    ));
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("format"), "something else\n").unwrap();
    assert!(matches!(
        open(other.path(), small_files()),
        Err(DirectoryError::Foreign { .. })
    ));
    let logs = tempfile::tempdir().unwrap();
    std::fs::create_dir(logs.path().join("log")).unwrap();
    std::fs::write(logs.path().join("log/x.log"), "of another program").unwrap();
    assert!(matches!(
        open(logs.path(), small_files()),
        Err(DirectoryError::Foreign { .. })
    ));
}

#[test]
fn a_newer_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), small_files()).unwrap());
    let path = folder.path().join("format");
    std::fs::write(&path, "sop-database 2 whatever follows\n").unwrap();
    for result in [
        look(folder.path()),
        open(folder.path(), small_files()).map(|(_, segments)| segments),
    ] {
        let newer = matches!(
            result,
            Err(DirectoryError::Newer {
                found: 2,
                supported: 1,
                ..
            })
        );
        assert!(newer, "{result:?}");
    }
}

#[test]
fn a_damaged_format_file_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), small_files()).unwrap());
    let path = folder.path().join("format");
    let text = std::fs::read_to_string(&path).unwrap();
    let digit = if text.as_bytes().get(20) == Some(&b'0') {
        "1"
    } else {
        "0"
    };
    let mut damaged = text;
    damaged.replace_range(20..21, digit);
    std::fs::write(&path, damaged).unwrap();
    assert!(matches!(
        look(folder.path()),
        Err(DirectoryError::Damaged { .. })
    ));
}

#[test]
fn the_second_opener_is_told_who_holds_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = open(folder.path(), small_files()).unwrap();
    let me = std::process::id();
    for result in [
        look(folder.path()),
        open(folder.path(), small_files()).map(|(_, segments)| segments),
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(error, DirectoryError::Locked { holder: Some(pid), .. } if pid == me),
            "{error}"
        );
        assert!(error.to_string().contains(&me.to_string()));
    }
    drop(writer);
    let reader = super::super::Opening::for_reading(folder.path()).unwrap();
    look(folder.path()).unwrap();
    assert!(matches!(
        open(folder.path(), small_files()),
        Err(DirectoryError::Locked { .. })
    ));
    drop(reader);
    open(folder.path(), small_files()).unwrap();
}
