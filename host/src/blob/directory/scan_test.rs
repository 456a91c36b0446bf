//! Goal: a torn tail never hurts, and damage to anything acknowledged is always found.
//! Method: the log of a killed program, cut and flipped at every byte.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use super::super::fixture::{body, copy, log_path, look, open, put, small_files};
use super::*;

/// A database whose log has these segments, as a killed program leaves it; the path of its first log file.
async fn killed(folder: &std::path::Path, lengths: &[usize]) -> (Vec<SegmentPlace>, PathBuf) {
    let (directory, _) = open(folder, small_files()).unwrap();
    let mut places = Vec::new();
    for (unique, length) in lengths.iter().enumerate() {
        places.push(put(&directory, unique as u64, *length).await);
    }
    (
        places,
        log_path(
            folder,
            LogFileId {
                epoch: directory.epoch(),
                index: 1,
            },
        ),
    )
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_leaves_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let (places, path) = killed(folder.path(), &[100, 33, 77]).await;
    let whole = std::fs::read(&path).unwrap();
    let start = (places[2].base - HEADER_BYTES) as usize;
    let end = places[2].base as usize + 77;
    let padded = end.next_multiple_of(8);
    for kept in start..padded {
        // Cut off.
        std::fs::write(&path, &whole[..kept]).unwrap();
        let complete = usize::from(kept >= padded);
        assert_eq!(
            look(folder.path()).unwrap().len(),
            2 + complete,
            "cut at {kept}"
        );
        // Zeros, where the file has room to spare.
        let mut torn = whole[..kept].to_vec();
        torn.resize(whole.len(), 0);
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(
            look(folder.path()).unwrap().len(),
            2 + usize::from(kept >= end),
            "zeros from {kept}"
        );
        // The end without its beginning: blocks reach the disk in any order.
        let mut torn = whole[..padded].to_vec();
        if kept > start {
            torn[start..kept].fill(0);
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(
                look(folder.path()).unwrap().len(),
                2,
                "no beginning up to {kept}"
            );
        }
    }
    let segments = look(folder.path()).unwrap();
    assert_eq!(segments[1].2, body(1, 33));
}

#[tokio::test]
async fn every_flipped_bit_of_an_acknowledged_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (places, path) = killed(folder.path(), &[100, 33, 77]).await;
    let whole = std::fs::read(&path).unwrap();
    let end = (places[2].base as usize + 77).next_multiple_of(8);
    assert_eq!(look(folder.path()).unwrap().len(), 3);
    for byte in 0..end {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1 << (byte % 8);
        std::fs::write(&path, &damaged).unwrap();
        let found = look(folder.path());
        let offset = places
            .iter()
            .map(|place| place.base - HEADER_BYTES)
            .rfind(|start| *start as usize <= byte);
        match found {
            Err(DirectoryError::Damaged {
                path: named,
                offset: at,
                ..
            }) => {
                assert_eq!(
                    (named, Some(at)),
                    (path.clone(), offset.map(u64::from)),
                    "byte {byte}"
                );
            }
            other => unreachable!("byte {byte} flipped: {other:?}"),
        }
    }
}

#[tokio::test]
async fn damage_in_an_older_file_is_found_by_what_later_files_say() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = killed(folder.path(), &[3000; 5]).await;
    assert_eq!(look(folder.path()).unwrap().len(), 5);
    let whole = std::fs::read(&path).unwrap();
    for byte in (0..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        assert!(
            matches!(look(folder.path()), Err(DirectoryError::Damaged { .. })),
            "byte {byte}"
        );
    }
    for kept in (0..whole.len()).step_by(61) {
        std::fs::write(&path, &whole[..kept]).unwrap();
        assert!(
            matches!(look(folder.path()), Err(DirectoryError::Damaged { .. })),
            "cut at {kept}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert!(
        matches!(look(folder.path()), Err(DirectoryError::Gone { .. })),
        "file 1 removed"
    );
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(look(folder.path()).unwrap().len(), 5);
    let third = path.with_file_name("00000001-00000003.log");
    std::fs::remove_file(third).unwrap();
    assert!(
        matches!(look(folder.path()), Err(DirectoryError::Gone { .. })),
        "file 3 removed"
    );
}

#[tokio::test]
async fn an_only_file_that_is_taken_away_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = killed(folder.path(), &[100]).await;
    for kept in [0, 1, 63] {
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(kept)
            .unwrap();
        let found = look(folder.path());
        assert!(
            matches!(&found, Err(DirectoryError::Damaged { path: named, .. }) if *named == path),
            "cut at {kept}: {found:?}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let found = look(folder.path());
    assert!(
        matches!(&found, Err(DirectoryError::Gone { path: named, .. }) if *named == path),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_manifest_that_is_taken_away_is_missed_because_its_log_has_records() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = killed(folder.path(), &[100]).await;
    let manifest = Layout::new(folder.path()).manifest(1);
    std::fs::remove_file(&manifest).unwrap();
    let is_missed = |found: Option<DirectoryError>| {
        assert!(
            matches!(&found, Some(DirectoryError::Gone { path, .. }) if *path == manifest),
            "{found:?}"
        );
    };
    is_missed(look(folder.path()).err());
    is_missed(open(folder.path(), small_files()).err());
    assert!(!manifest.exists(), "no void in its place");
    // A log without a record is what a killed opening leaves: its epoch never began.
    std::fs::write(&path, [0; 4096]).unwrap();
    assert_eq!(look(folder.path()).unwrap(), []);
}

#[tokio::test]
async fn stale_bytes_of_a_recycled_file_are_no_records() {
    let folder = tempfile::tempdir().unwrap();
    let (places, path) = killed(folder.path(), &[200, 200, 200]).await;
    let whole = std::fs::read(&path).unwrap();
    let third = places[2].base - HEADER_BYTES;
    // The bytes of this file under the name of the next one, and under the first name of the next epoch.
    for name in ["00000001-00000002.log", "00000002-00000001.log"] {
        std::fs::write(path.with_file_name(name), &whole).unwrap();
        assert_eq!(look(folder.path()).unwrap().len(), 3);
        std::fs::remove_file(path.with_file_name(name)).unwrap();
    }
    // An old record at another offset, behind the end.
    let mut stale = whole[..third as usize].to_vec();
    stale.extend_from_slice(&whole[..third as usize]);
    std::fs::write(&path, &stale).unwrap();
    assert_eq!(look(folder.path()).unwrap().len(), 2);
    // The same database file in another database.
    let other = tempfile::tempdir().unwrap();
    let (_, other_path) = killed(other.path(), &[1]).await;
    std::fs::write(&other_path, &whole).unwrap();
    assert!(matches!(
        look(other.path()),
        Err(DirectoryError::Damaged { .. })
    ));
}

#[tokio::test]
async fn a_copy_is_read_like_the_original() {
    let folder = tempfile::tempdir().unwrap();
    killed(folder.path(), &[200, 200, 5000]).await;
    let other = tempfile::tempdir().unwrap();
    copy(folder.path(), other.path());
    std::fs::remove_file(other.path().join("lock")).unwrap();
    assert_eq!(look(folder.path()).unwrap(), look(other.path()).unwrap());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_scanned_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), at in 0_usize..400) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        std::fs::create_dir_all(layout.logs()).unwrap();
        let start = LogPosition::start(1);
        let mut whole = Frame::empty(FrameKind::End, start, start, 7).encode(7).to_vec();
        whole.splice(at.min(whole.len()).., bytes);
        std::fs::write(layout.log(start.file()), &whole).unwrap();
        let scanned = scan::<DirectoryError>(&layout, 7, start, &mut |_, _, _| Ok(()));
        match scanned {
            Ok(scanned) => proptest::prop_assert_eq!(scanned.segments, 0),
            // Too short for any log file; or whole, and then the next file is missing.
            Err(error) => {
                let is_damage = matches!(
                    error,
                    DirectoryError::Damaged { .. } | DirectoryError::Gone { .. }
                );
                proptest::prop_assert!(is_damage);
            }
        }
    }
}
